// Models in S3 and in what speaks its protocol: s3://BUCKET/KEY, a key being an object or the folder of several.

import { posix } from "node:path";
import type { Readable } from "node:stream";

import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";

import { LoadError, type LoadErrorCode } from "../load-error.ts";
import { isRetryableStatus, toRetryable } from "./http-request.ts";
import {
  type ListedFile,
  type OpenedFile,
  type Position,
  type RemoteFile,
  type RemoteStorage,
  RetryableError,
  type Retrying,
} from "./remote-file.ts";
import { makeS3Client, type S3Options } from "./s3-client.ts";
import { withStallTimeout } from "./stall-timeout.ts";
import { parseBucketAddress } from "./storage-uri.ts";

/** The object is not what it was when its first part was read, or there is nothing after that part. */
const NOT_RESUMABLE = new Set([412, 416]);

/** Rejects with a LoadError when the address or a setting is wrong. */
export async function openS3Storage(storageUri: string, options: S3Options): Promise<RemoteStorage> {
  const { bucket, key } = parseBucketAddress(storageUri, "s3");
  const { client, identity } = await makeS3Client(options);
  const s3 = new S3Bucket(bucket, client, { identity, stallTimeoutMs: options.access.stallTimeoutMs });
  const isFolder = key === "" || key.endsWith("/");
  return {
    label: storageUri,
    name: posix.basename(key),
    file: isFolder ? undefined : s3.file(key),
    sibling: (relativePath) => s3.file(posix.join(posix.dirname(key), relativePath)),
    list: (retrying) => s3.list(isFolder ? key : `${key}/`, retrying),
  };
}

interface BucketOptions {
  /** Whose credentials are used, for messages. */
  readonly identity: string;
  readonly stallTimeoutMs: number;
}

class S3Bucket {
  readonly #bucket: string;
  readonly #client: S3Client;
  readonly #options: BucketOptions;

  constructor(bucket: string, client: S3Client, options: BucketOptions) {
    this.#bucket = bucket;
    this.#client = client;
    this.#options = options;
  }

  file(key: string): RemoteFile {
    const label = `s3://${this.#bucket}/${key}`;
    return {
      label,
      open: async (position, signal) => {
        try {
          return this.#opened(await this.#get(key, position, signal), position);
        } catch (error) {
          if (position !== undefined && NOT_RESUMABLE.has(statusOf(error) ?? 0)) {
            return this.#opened(await this.#translating(label, () => this.#get(key, undefined, signal)), undefined);
          }
          throw this.#translate(error, label);
        }
      },
    };
  }

  async *list(prefix: string, retrying: Retrying): AsyncGenerator<ListedFile> {
    const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ContinuationToken: token });
      const page = await retrying((abortSignal) =>
        this.#translating(`s3://${this.#bucket}/${prefix}`, () => this.#client.send(command, { abortSignal })),
      );
      for (const { Key: key = "", Size: bytes = 0 } of page.Contents ?? []) {
        // An object whose name ends so stands for an empty folder.
        if (!key.endsWith("/")) {
          yield { path: key.slice(prefix.length), bytes, file: this.file(key) };
        }
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async #get(key: string, position: Position | undefined, abortSignal: AbortSignal): Promise<GetObjectCommandOutput> {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const rest = position === undefined ? {} : { Range: `bytes=${position.bytes}-`, IfMatch: position.validator };
    // The checksum is of the whole object, so it says nothing about a part.
    const whole = position === undefined ? { ChecksumMode: "ENABLED" as const } : {};
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key, ...rest, ...whole });
    return this.#client.send(command, { abortSignal });
  }

  #opened(output: GetObjectCommandOutput, position: Position | undefined): OpenedFile {
    const body = output.Body as Readable;
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(output.ContentRange ?? "");
    return {
      startsAt: position === undefined || range === null ? 0 : Number(range[1]),
      totalBytes: range === null ? output.ContentLength : Number(range[2]),
      validator: output.ETag,
      chunks: trusting(withStallTimeout(body, this.#options.stallTimeoutMs)),
      close: () => body.destroy(),
    };
  }

  async #translating<T>(label: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw this.#translate(error, label);
    }
  }

  /** The SDK's errors as this program's; the server's own texts are left out, since anybody may have written them. */
  #translate(error: unknown, label: string): Error {
    if (error instanceof LoadError || error instanceof RetryableError) {
      return error;
    }
    const name = error instanceof Error && /^\w+$/.test(error.name) ? error.name : "an error";
    if (name === "CredentialsProviderError") {
      const message = `${label}: the credentials from ${this.#options.identity} cannot be had`;
      return new LoadError("download", "ACCESS_DENIED", message, { cause: error });
    }
    const status = statusOf(error);
    if (status === undefined) {
      return toRetryable(error);
    }
    if (isRetryableStatus(status)) {
      return new RetryableError(`${name} (HTTP ${status})`, { cause: error });
    }
    const [code, advice] = this.#explain(status, name);
    return new LoadError("download", code, `${label}: ${name} (HTTP ${status}); ${advice}`, { cause: error });
  }

  #explain(status: number, name: string): [LoadErrorCode, string] {
    if (status === 401 || status === 403) {
      const { identity } = this.#options;
      return [
        "ACCESS_DENIED",
        `asked with credentials from ${identity}; S3 also says so of a missing key that may not be listed`,
      ];
    }
    if (status === 404) {
      return ["MODEL_NOT_FOUND", `check the ${name === "NoSuchBucket" ? "bucket" : "path"} of the storage URI`];
    }
    return ["STORAGE_UNAVAILABLE", "check the bucket, AWS_REGION and the endpoint (--s3-endpoint)"];
  }
}

/** Tells bytes that the SDK found to be wrong, by S3's checksum, from a broken connection. */
async function* trusting(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    const isCorrupt = error instanceof RetryableError && error.message.startsWith("Checksum mismatch");
    throw isCorrupt ? new RetryableError("the bytes do not fit S3's checksum", { cause: error, isCorrupt }) : error;
  }
}

/** Undefined where there was no answer. */
function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}
