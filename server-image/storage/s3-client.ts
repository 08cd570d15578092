// A client for S3: the endpoint, how buckets are addressed, and whose credentials sign the requests.

import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";

import type { Place, StorageCredentials } from "./credentials.ts";
import type { HttpAccess } from "./http-request.ts";
import type { AddressingStyle } from "./options.ts";
import { invalidSetting } from "./storage-uri.ts";

export interface S3Options {
  readonly access: HttpAccess;
  readonly credentials: StorageCredentials;
  /** Undefined: what the environment says, else AWS. */
  readonly endpoint: string | undefined;
  readonly addressingStyle: AddressingStyle;
  /** Whether the machine's own role may be used. */
  readonly useInstanceCredentials: boolean;
}

export interface IdentifiedClient {
  readonly client: S3Client;
  /** Whose credentials it uses, for messages. */
  readonly identity: string;
}

/** Any region of AWS answers, and says which one is right. */
const DEFAULT_REGION = "us-east-1";

/** Variables by which Kubernetes platforms give a pod an identity; the SDK knows what they mean. */
const IDENTITY_VARIABLES: readonly (readonly string[])[] = [
  ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
  ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
];

/** Rejects with a LoadError when a setting is wrong. The SDK is loaded only here: it is large. */
export async function makeS3Client(options: S3Options): Promise<IdentifiedClient> {
  const { access, credentials, addressingStyle } = options;
  const endpoint = await endpointOf(options);
  const region = (await credentials.get("AWS_REGION")) ?? (await credentials.get("AWS_DEFAULT_REGION"));
  const { identity, config } = await identify(options);
  const { S3Client } = await import("@aws-sdk/client-s3");
  const { agents, stallTimeoutMs } = access;
  const client = new S3Client({
    region: region ?? DEFAULT_REGION,
    followRegionRedirects: endpoint === undefined,
    forcePathStyle: addressingStyle === "path" || (addressingStyle === "auto" && endpoint !== undefined),
    // Retries are made where progress is known.
    maxAttempts: 1,
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      httpAgent: agents.http,
      httpsAgent: agents.https,
      connectionTimeout: stallTimeoutMs,
      requestTimeout: stallTimeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...config,
  });
  return { client, identity };
}

async function endpointOf({ endpoint, credentials }: S3Options): Promise<string | undefined> {
  const given =
    endpoint ?? (await credentials.get("AWS_ENDPOINT_URL_S3")) ?? (await credentials.get("AWS_ENDPOINT_URL"));
  const url = given === undefined ? null : URL.parse(given);
  if (given !== undefined && !/^https?:$/.test(url?.protocol ?? "")) {
    throw invalidSetting("the S3 endpoint (--s3-endpoint, AWS_ENDPOINT_URL_S3) must be http://HOST or https://HOST");
  }
  return given;
}

interface Identity {
  readonly identity: string;
  readonly config: S3ClientConfig;
}

async function identify({ credentials, useInstanceCredentials }: S3Options): Promise<Identity> {
  const given = (await keysFrom("folder", credentials)) ?? (await keysFrom("environment", credentials));
  if (given !== undefined) {
    return given;
  }
  for (const names of IDENTITY_VARIABLES) {
    const values = await Promise.all(names.map((name) => credentials.getFrom("environment", name)));
    if (!values.includes(undefined)) {
      return { identity: names.join(" and "), config: {} };
    }
  }
  if (useInstanceCredentials) {
    return { identity: "the machine's metadata service", config: {} };
  }
  // An unsigned request is what public buckets want.
  return {
    identity: "nobody (there are none in --storage-credentials-directory or the environment)",
    config: {
      credentials: { accessKeyId: "anonymous", secretAccessKey: "anonymous" },
      signer: { sign: async (request) => request },
    },
  };
}

async function keysFrom(place: Place, credentials: StorageCredentials): Promise<Identity | undefined> {
  const accessKeyId = await credentials.getFrom(place, "AWS_ACCESS_KEY_ID");
  const secretAccessKey = await credentials.getFrom(place, "AWS_SECRET_ACCESS_KEY");
  const sessionToken = await credentials.getFrom(place, "AWS_SESSION_TOKEN");
  const where = place === "folder" ? "--storage-credentials-directory" : "the environment";
  if (accessKeyId === undefined && secretAccessKey === undefined) {
    return undefined;
  }
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw invalidSetting(`AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: ${where} has only one of them`);
  }
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return { identity: where, config: { credentials: keys } };
}
