// Tokens for Google Cloud Storage: from a mounted key, from the environment, from the machine, or none for public buckets.

import { readFile } from "node:fs/promises";

import type { AuthClient, GoogleAuthOptions } from "google-auth-library";

import { LoadError } from "../load-error.ts";
import type { StorageCredentials } from "./credentials.ts";
import { isRetryableStatus } from "./http-request.ts";
import { RetryableError } from "./remote-file.ts";
import { invalidSetting } from "./storage-uri.ts";

/** As other model servers call it. */
const KEY_FILE = "gcloud-application-credentials.json";
const SCOPE = "https://www.googleapis.com/auth/devstorage.read_only";

export interface GoogleIdentity {
  /** Whose credentials are used, for messages. */
  readonly name: string;
  /** Value of the header Authorization; undefined: requests go without. Rejects with a RetryableError or a LoadError. */
  readonly authorization: () => Promise<string | undefined>;
}

/** Rejects with a LoadError when a setting is wrong. The library is loaded only where there are credentials. */
export async function identifyWithGoogle(
  credentials: StorageCredentials,
  useInstanceCredentials: boolean,
): Promise<GoogleIdentity> {
  const key = await credentials.getFrom("folder", KEY_FILE);
  if (key !== undefined) {
    return identityOf(`${KEY_FILE} of --storage-credentials-directory`, { credentials: parseKey(key, KEY_FILE) });
  }
  const file = await credentials.getFrom("environment", "GOOGLE_APPLICATION_CREDENTIALS");
  if (file !== undefined) {
    const name = "GOOGLE_APPLICATION_CREDENTIALS";
    const text = await readFile(file, "utf8").catch(() => {
      throw invalidSetting("the file of GOOGLE_APPLICATION_CREDENTIALS cannot be read");
    });
    return identityOf(name, { credentials: parseKey(text, name) });
  }
  if (useInstanceCredentials) {
    return identityOf("the machine's metadata service", {});
  }
  const name = "nobody (there are none in --storage-credentials-directory or the environment)";
  return { name, authorization: async () => undefined };
}

type Key = NonNullable<GoogleAuthOptions["credentials"]>;

function parseKey(text: string, name: string): Key {
  try {
    return JSON.parse(text) as Key;
  } catch {
    // JSON's own complaint would quote the key.
    throw invalidSetting(`${name} is not the JSON of a key of Google Cloud`);
  }
}

function identityOf(name: string, options: Pick<GoogleAuthOptions, "credentials">): GoogleIdentity {
  let client: AuthClient | undefined;
  return {
    name,
    authorization: async () => {
      try {
        client ??= await makeClient(options);
        const headers = await client.getRequestHeaders();
        return headers.get("authorization") ?? undefined;
      } catch (error) {
        throw tokenError(error, name);
      }
    },
  };
}

async function makeClient(options: Pick<GoogleAuthOptions, "credentials">): Promise<AuthClient> {
  const { GoogleAuth, JWT } = await import("google-auth-library");
  const client = await new GoogleAuth({ ...options, scopes: SCOPE }).getClient();
  if (client instanceof JWT) {
    // Its own signature is as good as a token that it would first have to ask another service for.
    client.useJWTAccessWithScope = true;
  }
  return client;
}

function tokenError(error: unknown, name: string): Error {
  const { code, status } = error as { code?: unknown; status?: number };
  const label = `a token for ${name} cannot be had`;
  if ((status !== undefined && isRetryableStatus(status)) || (typeof code === "string" && /^E[A-Z]+$/.test(code))) {
    return new RetryableError(label, { cause: error });
  }
  return new LoadError("download", "ACCESS_DENIED", `${label}; check that the credentials are valid`, { cause: error });
}
