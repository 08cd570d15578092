// Models of the Hugging Face Hub, or of a mirror: hf://OWNER/REPO[@REVISION]/FILE.

import { posix } from "node:path";

import type { StorageCredentials } from "./credentials.ts";
import { httpFile } from "./http.ts";
import type { Explain, HttpAccess } from "./http-request.ts";
import type { RemoteFile, RemoteStorage } from "./remote-file.ts";
import { invalidSetting, invalidUri, labelOf } from "./storage-uri.ts";

export interface HuggingFaceOptions {
  readonly access: HttpAccess;
  readonly credentials: StorageCredentials;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";
const DEFAULT_REVISION = "main";

/** A revision with a slash in it, such as refs/pr/1, is written with %2F. */
const ADDRESS = /^hf:\/\/([\w.-]+\/[\w.-]+)(?:@([^/@?#]+))?\/([^?#]+)$/i;

/** The Hub answers 401 rather than 404 for what a stranger may not know of. */
const explain: Explain = (status, headers) => {
  const said = headers["x-error-code"];
  if (status === 401 || status === 403) {
    const advice = said === "GatedRepo" ? "its owner must grant access" : "it is private or does not exist";
    return ["ACCESS_DENIED", `${advice}; give HF_TOKEN, a token that may read it`];
  }
  if (status !== 404) {
    return undefined;
  }
  const missing = said === "RevisionNotFound" ? "revision" : said === "RepoNotFound" ? "repository" : "file";
  return ["MODEL_NOT_FOUND", `there is no such ${missing}`];
};

/** Rejects with a LoadError when the address or a setting is wrong. */
export async function openHuggingFaceStorage(
  storageUri: string,
  { access, credentials }: HuggingFaceOptions,
): Promise<RemoteStorage> {
  const [, repository, revision, file] = ADDRESS.exec(storageUri) ?? [];
  const segments = file?.split("/") ?? [];
  if (repository === undefined || file === undefined || segments.some((name) => /^\.{0,2}$/.test(name))) {
    throw invalidUri(
      `${labelOf(storageUri)}: give hf://OWNER/REPO/FILE or hf://OWNER/REPO@REVISION/FILE, FILE such as onnx/model.onnx`,
    );
  }
  const base = await baseOf(repository, revision, credentials);
  const token = await tokenFor(credentials);
  const authorization = token === undefined ? undefined : `Bearer ${token}`;
  const folder = storageUri.slice(0, -file.length);
  const open = (name: string): RemoteFile => {
    const url = new URL(`${base}/${name.split("/").map(encodeURIComponent).join("/")}`);
    return httpFile(url, access, { authorization, label: `${folder}${name}`, explain });
  };
  return {
    label: storageUri,
    name: posix.basename(file),
    file: open(file),
    sibling: (relativePath) => open(posix.join(posix.dirname(file), relativePath)),
  };
}

/** Whoever names an endpoint in a Secret gets that Secret's token there, and not one of the server's environment. */
async function tokenFor(credentials: StorageCredentials): Promise<string | undefined> {
  const isEndpointMounted = (await credentials.getFrom("folder", "HF_ENDPOINT")) !== undefined;
  return isEndpointMounted ? credentials.getFrom("folder", "HF_TOKEN") : credentials.get("HF_TOKEN");
}

async function baseOf(
  repository: string,
  revision: string | undefined,
  credentials: StorageCredentials,
): Promise<string> {
  const endpoint = (await credentials.get("HF_ENDPOINT")) ?? DEFAULT_ENDPOINT;
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "") {
    throw invalidSetting("HF_ENDPOINT must be https://HOST or http://HOST, with or without a path");
  }
  return `${url.href.replace(/\/+$/, "")}/${repository}/resolve/${encodeURIComponent(decoded(revision ?? DEFAULT_REVISION))}`;
}

function decoded(revision: string): string {
  try {
    return decodeURIComponent(revision);
  } catch {
    throw invalidUri("the revision of the storage URI is not well-formed; write a slash in it as %2F");
  }
}
