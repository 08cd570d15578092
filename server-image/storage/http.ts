// Downloads a model over HTTP or HTTPS: bounded in time and bytes, tried again when that can help, complete or not there.

import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";

import { LoadError } from "../load-error.ts";
import type { Log } from "../log.ts";
import { openStream, type ResponseStream, RetryableError, withoutSecrets } from "./http-request.ts";

export interface DownloadLimits {
  /** From the first attempt to the last byte, waits included. */
  readonly totalTimeoutMs: number;
  /** Without a single byte, in each attempt. */
  readonly stallTimeoutMs: number;
  /** The wait before the second attempt; it doubles with each. */
  readonly firstWaitMs: number;
  readonly maxBytes: number;
}

export interface DownloadOptions {
  readonly modelDirectory: string;
  readonly limits: DownloadLimits;
  readonly signal: AbortSignal;
  readonly random: () => number;
  readonly log: Log;
}

const ATTEMPTS = 5;

/** The path of the complete file. Rejects with a LoadError, or with the signal's reason when it aborts. */
export async function download(storageUri: string, options: DownloadOptions): Promise<string> {
  const url = parseUrl(storageUri);
  const deadline = AbortSignal.timeout(options.limits.totalTimeoutMs);
  const signal = AbortSignal.any([options.signal, deadline]);
  try {
    await mkdir(options.modelDirectory, { recursive: true });
    return await downloadWithRetries(url, { ...options, signal });
  } catch (error) {
    options.signal.throwIfAborted();
    if (deadline.aborted) {
      const seconds = options.limits.totalTimeoutMs / 1000;
      const message = `${withoutSecrets(url)}: not complete after ${seconds} s (--download-timeout-seconds)`;
      throw new LoadError("download", "DOWNLOAD_TIMEOUT", message, { cause: error });
    }
    if (error instanceof LoadError) {
      throw error;
    }
    const message = `the model cannot be written to ${options.modelDirectory}: ${String(error)}`;
    throw new LoadError("download", "STORAGE_UNAVAILABLE", message, { cause: error });
  }
}

async function downloadWithRetries(url: URL, options: DownloadOptions): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await downloadOnce(url, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof RetryableError)) {
        throw error;
      }
      if (attempt === ATTEMPTS) {
        const message = `${withoutSecrets(url)}: ${error.message}; given up after ${ATTEMPTS} attempts`;
        throw new LoadError("download", "STORAGE_UNAVAILABLE", message, { cause: error });
      }
      const waitMs = options.limits.firstWaitMs * 2 ** (attempt - 1) * (0.5 + options.random());
      options.log.warn({ attempt, waitMs, reason: error.message }, "model download failed; trying again");
      await setTimeout(waitMs, undefined, { signal: options.signal });
    }
  }
}

async function downloadOnce(url: URL, options: DownloadOptions): Promise<string> {
  const { limits, signal } = options;
  const stream = await openStream(url, { stallTimeoutMs: limits.stallTimeoutMs, signal });
  const complete = path.join(options.modelDirectory, "model.onnx");
  const partial = `${complete}.partial`;
  try {
    const file = await open(partial, "w");
    try {
      await writeAll(stream, file, { url, maxBytes: limits.maxBytes });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, complete);
    return complete;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    stream.close();
  }
}

async function writeAll(
  stream: ResponseStream,
  file: FileHandle,
  { url, maxBytes }: { url: URL; maxBytes: number },
): Promise<void> {
  let received = 0;
  if ((stream.expectedBytes ?? 0) > maxBytes) {
    throw tooLarge(url, maxBytes);
  }
  for await (const chunk of stream.chunks) {
    received += chunk.length;
    if (received > maxBytes) {
      throw tooLarge(url, maxBytes);
    }
    await file.writeFile(chunk);
  }
  if (received === 0) {
    throw new LoadError("download", "MODEL_INVALID", `${withoutSecrets(url)}: the answer was empty`);
  }
}

function tooLarge(url: URL, maxBytes: number): LoadError {
  const message = `${withoutSecrets(url)}: larger than ${maxBytes} bytes (--max-model-bytes)`;
  return new LoadError("download", "MODEL_TOO_LARGE", message);
}

function parseUrl(storageUri: string): URL {
  const url = URL.parse(storageUri);
  if (url === null) {
    throw new LoadError(
      "download",
      "INVALID_STORAGE_URI",
      "the storage URI is no valid address; give http://HOST/PATH",
    );
  }
  return url;
}
