// What a container said last: the end of its termination log, or of its output.

import { open } from "node:fs/promises";

const maxMessageBytes = 4096;
const maxFallbackBytes = 2048;
const maxFallbackLines = 80;

/** The last 4 KiB of a file; empty when it does not exist. */
export async function readTerminationLog(path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
  try {
    const { size } = await file.stat();
    const length = Math.min(size, maxMessageBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return wholeCharacters(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

export interface TerminationMessageInput {
  readonly policy: string | undefined;
  readonly exitCode: number;
  readonly terminationLog: string;
  /** The container's output, most recent line last. */
  readonly outputLines: readonly string[];
}

/** `FallbackToLogsOnError` takes the last 80 lines or 2 KiB of the output when a failed container left no message. */
export function terminationMessage({ policy, exitCode, terminationLog, outputLines }: TerminationMessageInput): string {
  if (terminationLog !== "" || policy !== "FallbackToLogsOnError" || exitCode === 0) return terminationLog;
  const text = Buffer.from(outputLines.slice(-maxFallbackLines).join("\n"));
  return wholeCharacters(text.subarray(Math.max(0, text.length - maxFallbackBytes)));
}

/** Text of bytes that may begin in the middle of a character. */
function wholeCharacters(bytes: Buffer): string {
  let start = 0;
  while (start < 3 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString("utf8");
}
