// Runs a command of the host to its end, with an error that shows what it printed.

import { spawn } from "node:child_process";

export interface ToolOptions {
  /** Text for the command's standard input. */
  readonly input?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly workingDirectory?: string;
  readonly signal?: AbortSignal;
}

export interface ToolResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that could not be started, or ended with another code than 0. `code` is `TOOL_FAILED`. */
export class ToolError extends Error {
  readonly code = "TOOL_FAILED";
  override readonly name = "ToolError";
}

/** The host's environment, with the folders of system administration tools, which ordinary users' PATH leaves out. */
export function toolEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...environment, PATH: `${environment["PATH"] ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin` };
}

/** Runs `command` and resolves with its exit code and output, whatever the code. Throws `ToolError` if it cannot start. */
export function tryTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: toolEnvironment(options.environment ?? process.env),
      ...(options.workingDirectory === undefined ? {} : { cwd: options.workingDirectory }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", (cause) => reject(new ToolError(`could not run ${command}: ${cause.message}`, { cause })));
    child.on("close", (exitCode, signal) => {
      const text = { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
      resolve({ ...text, exitCode: exitCode ?? (signal === null ? 1 : 128) });
    });
    // The command may end without reading its input.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** Like `tryTool`, but throws `ToolError` for an exit code other than 0. Resolves with standard output. */
export async function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const result = await tryTool(command, args, options);
  if (result.exitCode !== 0) {
    const said = result.stderr.trim() || result.stdout.trim() || "it printed nothing";
    throw new ToolError(`${command} ${args.join(" ")} ended with code ${result.exitCode}: ${said}`);
  }
  return result.stdout;
}
