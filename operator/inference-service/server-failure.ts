// Reads what the inference server left in its termination log.

import { z } from "zod";
import type { FailureReason } from "../api/conditions.ts";
import { type Failure, failure } from "./failure.ts";

/** Written by the pod, so it may be anything. */
const termination = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/),
  message: z.string(),
  phase: z.string().max(32),
});

/** What each code of the server means in a condition. A code that is not here is `ServerFailed`. */
const reasons = new Map<string, FailureReason>([
  ["INVALID_STORAGE_URI", "InvalidStorageUri"],
  ["INVALID_STORAGE_SETTING", "InvalidStorageSetting"],
  ["ADDRESS_NOT_ALLOWED", "AddressNotAllowed"],
  ["MODEL_NOT_FOUND", "ModelNotFound"],
  ["ACCESS_DENIED", "AccessDenied"],
  ["STORAGE_UNAVAILABLE", "StorageUnavailable"],
  ["DOWNLOAD_TIMEOUT", "DownloadTimeout"],
  ["MODEL_TOO_LARGE", "ModelTooLarge"],
  ["WRITE_FAILED", "WriteFailed"],
  ["CHECKSUM_MISMATCH", "ChecksumMismatch"],
  ["ARCHIVE_INVALID", "ArchiveInvalid"],
  ["UNSAFE_PATH", "UnsafePath"],
  ["MODEL_INVALID", "ModelInvalid"],
  ["MODEL_UNSUPPORTED", "ModelUnsupported"],
  ["EXECUTION_PROVIDER_UNAVAILABLE", "ExecutionProviderUnavailable"],
  ["CONTRACT_MISMATCH", "ContractMismatch"],
  ["SMOKE_TEST_FAILED", "SmokeTestFailed"],
  ["WORKER_FAILED", "WorkerFailed"],
]);

/** How onnxruntime says that it does not know an operator, has no code for it, or not for that version. */
const unknownOperator =
  /is not a registered function\/op|No Op registered for|Could not find an implementation for|opset \d+ is under development/i;

const sentences = new Map([
  ["download", "the model could not be downloaded"],
  ["load", "the model could not be loaded"],
  ["warm-up", "the model did not pass its warm-up"],
  ["start", "the server could not start"],
  ["stop", "the server did not stop in order"],
]);

/** Undefined when the text is no reason that the server gave: another program's, or the end of a log. */
export function serverFailure(text: string): Failure | undefined {
  const parsed = termination.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { code, message, phase } = parsed.data;
  return { ...failure(reasonOf(code, message, phase), sentences.get(phase) ?? "the server failed", message), code };
}

function reasonOf(code: string, message: string, phase: string): FailureReason {
  if (code === "MODEL_INVALID" && unknownOperator.test(message)) return "UnsupportedOperator";
  return reasons.get(code) ?? (phase === "warm-up" ? "WarmUpFailed" : "ServerFailed");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
