// The cache of virtual environments: made once whoever asks, remade for other requirements, nothing half made.

import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runTool } from "../cluster/tool.ts";
import { findPython, PythonError, pythonEnvironment } from "./environment.ts";

vi.setConfig({ testTimeout: 120_000 });

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "python-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

const python = await findPython();

/** A list of requirements that needs no package registry. */
async function requirements(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

function options(lines: string[] = [], path = process.env["PATH"]) {
  const environment = { ...process.env, PATH: path, XDG_CACHE_HOME: folder };
  return { environment, log: (line: string) => lines.push(line) };
}

const cached = async () => (await readdir(join(folder, "plimsoll", "python"))).toSorted();

describe.runIf(python !== undefined)("with a Python", () => {
  test("two who ask at once get one environment, made once; a third gets it from the cache", async () => {
    const file = await requirements("none.txt", "# nothing\n");
    const lines: string[] = [];
    const [one, two] = await Promise.all([
      pythonEnvironment(file, options(lines)),
      pythonEnvironment(file, options(lines)),
    ]);
    expect(two).toBe(one);
    expect(await pythonEnvironment(file, options(lines))).toBe(one);
    expect(lines.filter((line) => line.includes("installing into a new virtual environment"))).toHaveLength(1);
    const prefixes = JSON.parse(
      await runTool(one, ["-c", "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix]))"]),
    );
    expect(prefixes[0]).toBe(join(one, "..", ".."));
    expect(prefixes[1]).not.toBe(prefixes[0]);
    expect(await cached()).toHaveLength(1);
  });

  test("other requirements get another environment", async () => {
    const one = await pythonEnvironment(await requirements("a.txt", "# a\n"), options());
    const two = await pythonEnvironment(await requirements("b.txt", "# b\n"), options());
    expect(two).not.toBe(one);
  });

  test("requirements that cannot be installed: pip's own words, and nothing half made stays", async () => {
    const file = await requirements("bad.txt", "--no-index\nno-such-package-of-plimsoll==1\n");
    const failing = pythonEnvironment(file, options());
    await expect(failing).rejects.toThrow(PythonError);
    await expect(failing).rejects.toMatchObject({ code: "INSTALL_FAILED" });
    await expect(failing).rejects.toThrow("No matching distribution found for no-such-package-of-plimsoll==1");
    expect(await cached()).toEqual([]);
  });
});

test("a PATH without Python: undefined, and an error that says what is needed", async () => {
  expect(await findPython({ PATH: folder })).toBeUndefined();
  const failing = pythonEnvironment(await requirements("a.txt", ""), options([], folder));
  await expect(failing).rejects.toMatchObject({ code: "PYTHON_MISSING" });
  await expect(failing).rejects.toThrow("No Python 3.11 to 3.13 with the modules venv and ensurepip is in PATH");
});

test("a python3 that is too old, too new or has no venv is passed over for a newer name", async () => {
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const [name, script] of [
    ["python3", "exit 1"],
    ["python3.12", "echo 3.12 of a test"],
  ] as const) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  expect(await findPython({ PATH: bin })).toEqual({ command: "python3.12", identity: "3.12 of a test" });
});
