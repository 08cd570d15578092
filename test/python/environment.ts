// Virtual environments for tests whose other side is a Python program: made once per list of requirements, then taken from the cache.

import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { withCacheLock } from "../cluster/binaries/cache-lock.ts";
import { runTool, ToolError, tryTool } from "../cluster/tool.ts";

/** Python 3 releases that all pinned requirements of this repository install on. */
const oldestMinor = 11;
const newestMinor = 13;

/** An interpreter that can make virtual environments. */
export interface Python {
  readonly command: string;
  /** Version, build and folder: environments made by another one are not reused. */
  readonly identity: string;
}

/** No usable interpreter, or the requirements could not be installed. */
export class PythonError extends Error {
  readonly code: "PYTHON_MISSING" | "INSTALL_FAILED";
  override readonly name = "PythonError";

  constructor(code: PythonError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface EnvironmentOptions {
  /** Default: that of this process. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Told each step, one line each. Default: standard error. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Debian ships `venv` without `ensurepip` unless python3-venv is installed: asking for both tells before pip would. */
const question = [
  "import ensurepip, sys, venv",
  `assert (3, ${oldestMinor}) <= sys.version_info[:2] <= (3, ${newestMinor})`,
  "print(sys.version, sys.base_prefix)",
].join("; ");

/** The first usable Python in PATH, also one installed beside another `python3`; undefined where there is none, so that tests can be skipped by name. */
export async function findPython(environment: NodeJS.ProcessEnv = process.env): Promise<Python | undefined> {
  const minors = Array.from({ length: newestMinor - oldestMinor + 1 }, (_, index) => newestMinor - index);
  for (const command of ["python3", ...minors.map((minor) => `python3.${minor}`)]) {
    const answer = await tryTool(command, ["-c", question], { environment }).catch((error: unknown) => {
      if (error instanceof ToolError) return undefined;
      throw error;
    });
    if (answer?.exitCode === 0) return { command, identity: answer.stdout.trim() };
  }
  return undefined;
}

/**
 * The path of the `python` of an environment that has what `requirementsFile` lists (pip's format).
 * Made under the cache folder of the user, the first time within minutes; later calls take tens of milliseconds.
 * Run packages as modules (`python -m NAME`): their scripts would look for the interpreter under a name it no longer has.
 * Throws `PythonError`: `PYTHON_MISSING` or `INSTALL_FAILED`.
 */
export async function pythonEnvironment(requirementsFile: string, options: EnvironmentOptions = {}): Promise<string> {
  const { environment = process.env, log = printToStandardError, signal } = options;
  const found = await findPython(environment);
  if (found === undefined) {
    throw new PythonError(
      "PYTHON_MISSING",
      `No Python 3.${oldestMinor} to 3.${newestMinor} with the modules venv and ensurepip is in PATH (Debian: apt-get install python3-venv)`,
    );
  }
  const root = join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "plimsoll", "python");
  const folder = join(root, hashOf(await readFile(requirementsFile, "utf8"), found.identity));
  const python = join(folder, "bin", "python");
  if (await exists(python)) return python;
  await mkdir(root, { recursive: true });
  return withCacheLock(root, { log, signal }, async () => {
    if (!(await exists(python))) {
      log(`${requirementsFile}: installing into a new virtual environment (a minute or two, once)`);
      await make(folder, requirementsFile, { command: found.command, environment, ...(signal && { signal }) });
      log(`${requirementsFile}: installed in ${folder}`);
    }
    return python;
  });
}

interface MakeOptions {
  readonly command: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

async function make(folder: string, requirementsFile: string, { command, ...tool }: MakeOptions): Promise<void> {
  const unfinished = `${folder}.${process.pid}`;
  try {
    await runTool(command, ["-m", "venv", "--clear", unfinished], tool);
    const pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    await runTool(join(unfinished, "bin", "python"), [...pip, "--requirement", requirementsFile], tool);
    await rename(unfinished, folder);
  } catch (cause) {
    await rm(unfinished, { recursive: true, force: true });
    tool.signal?.throwIfAborted();
    throw new PythonError("INSTALL_FAILED", `${requirementsFile}: not installed: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function hashOf(requirements: string, identity: string): string {
  return createHash("sha256").update(`${identity}\n${requirements}`).digest("hex").slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

function printToStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}
