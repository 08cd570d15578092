// Files beside the code: found before and after bundling, or the build says which are not.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { rolldown } from "rolldown";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { bundledFiles, packageOf } from "./bundled-files.ts";

let sources: string;

beforeEach(async () => {
  sources = await mkdtemp(path.join(tmpdir(), "plimsoll-bundled-files-"));
  // Node takes the result for ES modules, wherever it lies.
  await write("package.json", '{"type":"module"}');
});

afterEach(() => rm(sources, { recursive: true }));

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(sources, file)), { recursive: true });
  await writeFile(path.join(sources, file), text);
}

async function bundle(): Promise<string> {
  const build = await rolldown({
    input: { main: path.join(sources, "main.ts") },
    platform: "node",
    plugins: [bundledFiles(sources)],
  });
  await build.write({ dir: path.join(sources, "out"), format: "esm", entryFileNames: "[name].js" });
  await build.close();
  return path.join(sources, "out/main.js");
}

async function print(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  return stdout.trim();
}

describe("the server's own files", () => {
  test("a worker's script runs, from source and bundled", async () => {
    await write("main.ts", 'import { start } from "./deep/start.ts";\nstart();\n');
    await write(
      "deep/start.ts",
      `import { Worker } from "node:worker_threads";
       export const start = () => new Worker(new URL("./worker.ts", import.meta.url)).on("message", (text: string) => console.log(text));`,
    );
    await write(
      "deep/worker.ts",
      'import { parentPort } from "node:worker_threads";\nparentPort?.postMessage("hello");',
    );
    expect(await print(path.join(sources, "main.ts"))).toBe("hello");
    expect(await print(await bundle())).toBe("hello");
  });

  test("another file is read, from source and bundled", async () => {
    await write(
      "main.ts",
      `import { readFileSync } from "node:fs";
       console.log(readFileSync(new URL("./pages/page.html", import.meta.url), "utf8"));`,
    );
    await write("pages/page.html", "<p>");
    expect(await print(path.join(sources, "main.ts"))).toBe("<p>");
    expect(await print(await bundle())).toBe("<p>");
  });

  const REFUSED = [
    ["a folder", "import.meta.dirname"],
    ["a name put together at run time", 'new URL("./" + process.argv[2], import.meta.url)'],
    ["a package's place", 'import.meta.resolve("pino")'],
  ];
  test.each(REFUSED)("%s fails the build", async (_name, expression) => {
    await write("main.ts", `console.log(${expression});`);
    await expect(bundle()).rejects.toThrow(/main\.ts: import\.meta\.\w+ is not understood/);
  });
});

describe("packages", () => {
  test("one that may read files beside itself fails the build", async () => {
    await write("main.ts", 'import "reader";');
    await write("node_modules/reader/package.json", '{"name":"reader","main":"index.js"}');
    await write("node_modules/reader/index.js", 'require("fs").readFileSync(__dirname + "/data");');
    await expect(bundle()).rejects.toThrow("reader/index.js may read files beside itself");
  });

  const MODULES: [string, string, string | undefined][] = [
    ["a package's module", "/a/node_modules/pino/lib/x.js", "pino"],
    ["a scoped package's module", "/a/node_modules/@grpc/grpc-js/build/x.js", "@grpc/grpc-js"],
    ["a package within a package", "/a/node_modules/x/node_modules/y/z.js", "y"],
    ["a module that the bundler made", "\0/a/node_modules/pino/pino.js?commonjs", "pino"],
    ["the server's own module", "/a/server-image/main.ts", undefined],
  ];
  test.each(MODULES)("%s: %s is of %s", (_name, id, name) => {
    expect(packageOf(id)?.name).toBe(name);
  });
});
