// Runs containers with the docker command, as a person would.

import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

/** Whether an engine answers. Says loudly what is left out where none does. */
export function dockerAnswers(what: string): boolean {
  const { status, stderr, error } = spawnSync("docker", ["version"], { encoding: "utf8" });
  if (status === 0) {
    return true;
  }
  const reason = error?.message ?? stderr.trim();
  process.stderr.write(`\nSKIPPED: ${what}: no Docker engine answers (${reason})\n\n`);
  return false;
}

/** Output without the last line's end; rejects with what docker complained about. */
export async function docker(...argv: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const { stdout, stderr } = await promisify(execFile)("docker", [...argv], { maxBuffer: 64 * 1024 ** 2 });
  return { stdout: stdout.trimEnd(), stderr: stderr.trimEnd() };
}

export class Container {
  readonly #id: string;

  private constructor(id: string) {
    this.#id = id;
  }

  /** @param argv as for `docker run`: flags, image, the program's arguments */
  static async start(...argv: readonly string[]): Promise<Container> {
    const { stdout } = await docker("run", "--detach", ...argv);
    return new Container(stdout);
  }

  /** Where a port of the container is reached from outside, as host:port. */
  async address(port: number): Promise<string> {
    const { stdout } = await docker("port", this.#id, `${port}/tcp`);
    return stdout.split("\n")[0]!;
  }

  /** What the program has written so far. */
  async logs(): Promise<{ stdout: string; stderr: string }> {
    return docker("logs", this.#id);
  }

  async isRunning(): Promise<boolean> {
    return (await docker("inspect", "--format", "{{.State.Running}}", this.#id)).stdout === "true";
  }

  /** Sends SIGTERM and waits; docker kills after `graceSeconds`. */
  async stop(graceSeconds: number): Promise<void> {
    await docker("stop", "--time", String(graceSeconds), this.#id);
  }

  /** The exit code, once the program has ended. */
  async exitCode(): Promise<number> {
    return Number((await docker("wait", this.#id)).stdout);
  }

  async remove(): Promise<void> {
    await docker("rm", "--force", "--volumes", this.#id);
  }
}

/** Paths and bytes of an image's files as a container sees them: what it takes on a node's disk. */
export async function unpack(image: string): Promise<{ bytes: number; paths: string[] }> {
  const { stdout: id } = await docker("create", image);
  try {
    const exporting = spawn("docker", ["export", id], { stdio: ["ignore", "pipe", "inherit"] });
    const listing = spawn("tar", ["--list"], { stdio: ["pipe", "pipe", "inherit"] });
    let bytes = 0;
    let list = "";
    exporting.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    exporting.stdout.pipe(listing.stdin);
    listing.stdout.setEncoding("utf8").on("data", (text: string) => {
      list += text;
    });
    const [[code]] = await Promise.all([once(listing, "close"), once(exporting, "close")]);
    if (code !== 0) {
      throw new Error(`tar ended with ${code}`);
    }
    return { bytes, paths: list.trimEnd().split("\n") };
  } finally {
    await docker("rm", id);
  }
}
