// Tokens for Google Cloud Storage: from a mounted key, from the environment, from the machine, or none for public buckets.

import { readFile } from "node:fs/promises";

import type { AuthClient } from "google-auth-library";

import { LoadError } from "../load-error.ts";
import type { StorageCredentials } from "./credentials.ts";
import { isRetryableStatus } from "./http-request.ts";
import { RetryableError } from "./remote-file.ts";
import { invalidSetting } from "./storage-uri.ts";

/** As other model servers call it. */
const KEY_FILE = "gcloud-application-credentials.json";
const KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS";
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
  const mounted = await credentials.getFrom("folder", KEY_FILE);
  if (mounted !== undefined) {
    const name = `${KEY_FILE} of --storage-credentials-directory`;
    return identityOf(name, serviceAccount(parseKey(mounted, name)));
  }
  if (useInstanceCredentials) {
    return identityOf("this machine", defaultCredentials);
  }
  const file = await credentials.getFrom("environment", KEY_VARIABLE);
  if (file !== undefined) {
    const text = await readFile(file, "utf8").catch(() => {
      throw invalidSetting(`the file of ${KEY_VARIABLE} cannot be read`);
    });
    return identityOf(KEY_VARIABLE, serviceAccount(parseKey(text, KEY_VARIABLE)));
  }
  const name = "nobody (there are none in --storage-credentials-directory or the environment)";
  return { name, authorization: async () => undefined };
}

interface Key {
  readonly email: string;
  readonly key: string;
}

/**
 * Of a service account only: other kinds name addresses to ask, which whoever wrote the Secret could have chosen.
 * Throws a LoadError.
 */
function parseKey(text: string, name: string): Key {
  const { type, client_email: email, private_key: key } = parseJson(text);
  if (type !== "service_account" || typeof email !== "string" || typeof key !== "string") {
    const others = "for other kinds, set GOOGLE_APPLICATION_CREDENTIALS and --storage-instance-credentials";
    throw invalidSetting(`${name} is not the JSON of a key of a service account of Google Cloud; ${others}`);
  }
  return { email, key };
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    // JSON's own complaint would quote the key.
    return {};
  }
}

function serviceAccount({ email, key }: Key): () => Promise<AuthClient> {
  return async () => {
    const { JWT } = await import("google-auth-library");
    const client = new JWT({ email, key, scopes: [SCOPE] });
    // Its own signature is as good as a token that it would first have to ask another service for.
    client.useJWTAccessWithScope = true;
    return client;
  };
}

/** What Google's own programs use: the environment's file of any kind, or the machine's metadata service. */
async function defaultCredentials(): Promise<AuthClient> {
  const { GoogleAuth } = await import("google-auth-library");
  return new GoogleAuth({ scopes: SCOPE }).getClient();
}

function identityOf(name: string, makeClient: () => Promise<AuthClient>): GoogleIdentity {
  let client: AuthClient | undefined;
  return {
    name,
    authorization: async () => {
      try {
        client ??= await makeClient();
        const headers = await client.getRequestHeaders();
        return headers.get("authorization") ?? undefined;
      } catch (error) {
        throw tokenError(error, name);
      }
    },
  };
}

function tokenError(error: unknown, name: string): Error {
  const { code, status } = error as { code?: unknown; status?: number };
  const label = `a token for ${name} cannot be had`;
  if ((status !== undefined && isRetryableStatus(status)) || (typeof code === "string" && /^E[A-Z]+$/.test(code))) {
    return new RetryableError(label, { cause: error });
  }
  return new LoadError("download", "ACCESS_DENIED", `${label}; check that the credentials are valid`, { cause: error });
}
