// The bundle as a program, away from the repository: it runs with nothing but Node, and holds nothing else.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { arch, platform, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import packageJson from "../package.json" with { type: "json" };
import { makeTestClient } from "../protocols/open-inference-grpc/test-client.ts";
import { bundleServer, LICENCES_FILE, MAIN_FILE } from "./bundle.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ADD_SUB = fileURLToPath(new URL("../testdata/add-sub.onnx", import.meta.url));
const DEADLINE = { timeout: 20_000, interval: 20 };

let folder: string;
let server: string;
let files: string[];
const programs: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-bundle-test-"));
  server = path.join(folder, "server");
  await mkdir(path.join(folder, "home"));
  await bundleServer(server, { platform: platform(), arch: arch() });
  const entries = await readdir(server, { recursive: true, withFileTypes: true });
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(server, path.join(entry.parentPath, entry.name)));
});

afterAll(async () => {
  for (const program of programs) {
    if (program.exitCode === null && program.signalCode === null) {
      program.kill("SIGKILL");
      await once(program, "exit");
    }
  }
  await rm(folder, { recursive: true });
});

/** Runs Node in a home of its own, without the variables of whoever runs the tests. */
function run(...argv: string[]) {
  const home = path.join(folder, "home");
  const program = spawn(process.execPath, argv, { cwd: home, env: { HOME: home }, stdio: ["ignore", "pipe", "pipe"] });
  programs.push(program);
  let output = "";
  for (const stream of [program.stdout, program.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const exit = once(program, "close").then(([code]) => code as number | null);
  return { program, exit, output: () => output };
}

function serve(...argv: string[]) {
  const shared = ["--model-name=add-sub", "--http-port=0", "--grpc-port=0", "--drain-delay-seconds=0"];
  return run(path.join(server, MAIN_FILE), ...shared, ...argv);
}

describe("what the bundle holds", () => {
  test("no TypeScript, no source maps, no tests", () => {
    expect(files.filter((file) => /\.(ts|map)$|\.test\./.test(file))).toEqual([]);
  });

  test("of native libraries only those of this platform", () => {
    const libraries = files.filter((file) => /\.(node|so|dll|dylib)(\.|$)/.test(file));
    expect(libraries.filter((file) => !file.includes(`/${platform()}/${arch()}/`))).toEqual([]);
    expect(libraries.filter((file) => file.endsWith("onnxruntime_binding.node"))).toHaveLength(1);
  });

  test("no script that is still named as TypeScript, and none that would start the program again", async () => {
    const scripts = files.filter((file) => /^[^/]+\.js$/.test(file));
    expect(scripts.length).toBeGreaterThan(1);
    for (const script of scripts) {
      const text = await readFile(path.join(server, script), "utf8");
      expect(text.match(/new URL\("[^"]+\.ts", import\.meta\.url\)/g), script).toBeNull();
      expect(text.match(/(from|import|import\() ?"\.\/main\.js"/g), script).toBeNull();
    }
  });

  test("the licences of all dependencies", async () => {
    const text = await readFile(path.join(server, LICENCES_FILE), "utf8");
    const listed = new Set(text.match(/^\S+(?= \d+\.\d+\.\d+\S* \()/gm));
    expect(Object.keys(packageJson.dependencies).filter((name) => !listed.has(name))).toEqual([]);
  });
});

describe("the bundle as a program", () => {
  test("answers, ends with code 0 on SIGTERM, and leaves nothing behind", async () => {
    const { program, exit, output } = serve("--storage-uri", ADD_SUB);
    const url = await vi.waitFor(() => {
      expect(output()).toContain('"msg":"ready"');
      return `http://127.0.0.1:${/"port":(\d+)/.exec(output())?.[1]}`;
    }, DEADLINE);
    const data = Array.from({ length: 16 }, (_, index) => index);
    const inputs = ["INPUT0", "INPUT1"].map((name) => ({ name, shape: [1, 16], datatype: "INT32", data }));
    const answer = await fetch(`${url}/v2/models/add-sub/infer`, { method: "POST", body: JSON.stringify({ inputs }) });
    expect(await answer.json()).toMatchObject({
      outputs: [{ name: "OUTPUT0", data: data.map((value) => 2 * value) }, { name: "OUTPUT1" }],
    });
    const grpc = makeTestClient(`127.0.0.1:${/"grpcPort":(\d+)/.exec(output())?.[1]}`);
    expect(await grpc.call("grpc.health.v1.Health/Check")).toEqual({ status: "SERVING" });
    grpc.close();
    const about = await fetch(`${url}/v2`);
    expect(await about.json()).toMatchObject({ version: packageJson.version });

    program.kill("SIGTERM");
    expect(await exit).toBe(0);
    // onnxruntime, left to itself, keeps an identifier there and reports to its makers.
    expect(await readdir(path.join(folder, "home"), { recursive: true })).toEqual([]);
  });

  test("a model that is none: code 2, and the reason in the termination log", async () => {
    const broken = path.join(folder, "broken.onnx");
    const terminationLog = path.join(folder, "termination-log");
    await writeFile(broken, "no model");
    await writeFile(terminationLog, "");
    const { exit } = serve("--storage-uri", broken, "--termination-log", terminationLog);
    expect(await exit).toBe(2);
    expect(JSON.parse(await readFile(terminationLog, "utf8"))).toMatchObject({ code: "MODEL_INVALID", phase: "load" });
  });

  test("wrong arguments: code 1 and a complaint", async () => {
    const { exit, output } = run(path.join(server, MAIN_FILE), "--model-name=m");
    expect(await exit).toBe(1);
    expect(output()).toContain("--storage-uri");
  });

  test("what is loaded only when it is needed can be loaded", async () => {
    const onDemand = files.filter((file) => /^[^/]+-[\w-]{8}\.js$/.test(file));
    expect(onDemand).not.toEqual([]);
    const imports = onDemand.map((file) => `await import(${JSON.stringify(path.join(server, file))});`);
    const { exit, output } = run("--input-type=module", "--eval", imports.join("\n"));
    expect({ code: await exit, output: output() }).toEqual({ code: 0, output: "" });
  });
});
