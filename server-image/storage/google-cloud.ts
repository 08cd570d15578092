// Models in Google Cloud Storage: gs://BUCKET/NAME, a name being an object or the folder of several.

import { posix } from "node:path";

import { LoadError } from "../load-error.ts";
import type { StorageCredentials } from "./credentials.ts";
import { type GoogleIdentity, identifyWithGoogle } from "./google-credentials.ts";
import { type Answer, type Explain, get, type HttpAccess, StatusError } from "./http-request.ts";
import {
  type ListedFile,
  type OpenedFile,
  type Position,
  type RemoteFile,
  type RemoteStorage,
  RetryableError,
  type Retrying,
} from "./remote-file.ts";
import { invalidSetting, parseBucketAddress } from "./storage-uri.ts";

export interface GoogleCloudOptions {
  readonly access: HttpAccess;
  readonly credentials: StorageCredentials;
  /** Whether the machine's own identity may be used. */
  readonly useInstanceCredentials: boolean;
}

const DEFAULT_ENDPOINT = "https://storage.googleapis.com";

/** One page has at most 1000 names of at most 1024 bytes each, written as JSON. */
const MAX_PAGE_BYTES = 16 * 1024 ** 2;

/** Rejects with a LoadError when the address or a setting is wrong. */
export async function openGoogleCloudStorage(storageUri: string, options: GoogleCloudOptions): Promise<RemoteStorage> {
  const { bucket, key } = parseBucketAddress(storageUri, "gs");
  const emulator = await options.credentials.get("STORAGE_EMULATOR_HOST");
  const identity =
    emulator === undefined
      ? await identifyWithGoogle(options.credentials, options.useInstanceCredentials)
      : { name: "nobody, since STORAGE_EMULATOR_HOST is set", authorization: async () => undefined };
  const endpoint = emulator === undefined ? DEFAULT_ENDPOINT : emulatorAddress(emulator);
  const objects = new GoogleBucket(bucket, { ...options, endpoint, identity });
  const isFolder = key === "" || key.endsWith("/");
  return {
    label: storageUri,
    name: posix.basename(key),
    file: isFolder ? undefined : objects.file(key),
    sibling: (relativePath) => objects.file(posix.join(posix.dirname(key), relativePath)),
    list: (retrying) => objects.list(isFolder ? key : `${key}/`, retrying),
  };
}

/** Google's own clients take it with and without a scheme. */
function emulatorAddress(host: string): string {
  const url = URL.parse(/^https?:\/\//.test(host) ? host : `http://${host}`);
  if (url === null) {
    throw invalidSetting("STORAGE_EMULATOR_HOST must be HOST:PORT or http://HOST:PORT");
  }
  return url.origin;
}

interface BucketOptions {
  readonly access: HttpAccess;
  readonly endpoint: string;
  readonly identity: GoogleIdentity;
}

class GoogleBucket {
  readonly #bucket: string;
  readonly #options: BucketOptions;

  constructor(bucket: string, options: BucketOptions) {
    this.#bucket = bucket;
    this.#options = options;
  }

  file(name: string): RemoteFile {
    const label = `gs://${this.#bucket}/${name}`;
    const url = (generation?: string) =>
      this.#url(`/o/${encodeURIComponent(name)}`, {
        alt: "media",
        ...(generation === undefined ? {} : { generation }),
      });
    return {
      label,
      open: async (position, signal) => {
        try {
          const headers = position === undefined ? {} : { range: `bytes=${position.bytes}-` };
          return openedObject(await this.#get(url(position?.validator), { label, signal, headers }), position);
        } catch (error) {
          // That generation is gone, or there is nothing after the position.
          if (position !== undefined && error instanceof StatusError && [404, 416].includes(error.status)) {
            return openedObject(await this.#get(url(), { label, signal }), undefined);
          }
          throw error;
        }
      },
    };
  }

  async *list(prefix: string, retrying: Retrying): AsyncGenerator<ListedFile> {
    const label = `gs://${this.#bucket}/${prefix}`;
    let pageToken: string | undefined;
    do {
      const fields = "items(name,size),nextPageToken";
      const url = this.#url("/o", { prefix, fields, ...(pageToken === undefined ? {} : { pageToken }) });
      const page = await retrying(async (signal) => parsePage(await this.#get(url, { label, signal }), label));
      for (const { name, bytes } of page.items) {
        // An object whose name ends so stands for an empty folder.
        if (!name.endsWith("/")) {
          yield { path: name.slice(prefix.length), bytes, file: this.file(name) };
        }
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }

  #url(pathInBucket: string, query: Record<string, string>): URL {
    const url = new URL(`${this.#options.endpoint}/storage/v1/b/${this.#bucket}${pathInBucket}`);
    url.search = new URLSearchParams(query).toString();
    return url;
  }

  async #get(url: URL, request: { label: string; signal: AbortSignal; headers?: { range?: string } }): Promise<Answer> {
    const { access, identity } = this.#options;
    const explain: Explain = (status) =>
      status === 401 || status === 403
        ? [
            "ACCESS_DENIED",
            `asked with credentials from ${identity.name}; they must allow storage.objects.get and .list`,
          ]
        : undefined;
    return get(url, { ...request, access, explain, authorization: await identity.authorization() });
  }
}

/** Throws a RetryableError when the answer is about something else than what was asked for. */
function openedObject({ status, headers, chunks, close }: Answer, position: Position | undefined): OpenedFile {
  const generation = headers["x-goog-generation"];
  const validator = typeof generation === "string" ? generation : undefined;
  if (status === 200) {
    const length = headers["content-length"];
    return { startsAt: 0, totalBytes: length === undefined ? undefined : Number(length), validator, chunks, close };
  }
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers["content-range"] ?? "");
  if (range === null || position === undefined) {
    close();
    throw new RetryableError("the answer is a part that was not asked for");
  }
  const [startsAt, totalBytes] = [Number(range[1]), Number(range[2])];
  return { startsAt, totalBytes, validator: validator ?? position.validator, chunks, close };
}

interface Page {
  readonly items: readonly { readonly name: string; readonly bytes: number }[];
  readonly nextPageToken: string | undefined;
}

async function parsePage({ chunks, close }: Answer, label: string): Promise<Page> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_PAGE_BYTES) {
      close();
      throw notAListing(label);
    }
  }
  let page: { items?: { name?: unknown; size?: unknown }[]; nextPageToken?: unknown };
  try {
    page = JSON.parse(Buffer.concat(parts).toString()) as typeof page;
  } catch {
    throw notAListing(label);
  }
  const items = (page.items ?? []).map(({ name, size }) => ({ name: String(name), bytes: Number(size) }));
  if (!items.every((item) => Number.isSafeInteger(item.bytes))) {
    throw notAListing(label);
  }
  return { items, nextPageToken: typeof page.nextPageToken === "string" ? page.nextPageToken : undefined };
}

function notAListing(label: string): LoadError {
  return new LoadError("download", "STORAGE_UNAVAILABLE", `${label}: the answer is no list of objects`);
}
