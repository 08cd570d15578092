// Makes the server as images ship it: one .js per entry point, the native runtime beside it, and everybody's licences.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import packageJson from "../package.json" with { type: "json" };
import { bundledFiles, packageOf } from "./bundled-files.ts";
import { licenceTexts } from "./licences.ts";
import { copyNativeRuntime, NATIVE_PACKAGES, type Target } from "./native-runtime.ts";
import { writeChunks } from "./write-chunks.ts";

const SOURCES = path.join(import.meta.dirname, "..");
const LICENCE = path.join(SOURCES, "../LICENSE");

/** Run this file of the bundle with Node. */
export const MAIN_FILE = "main.js";
export const LICENCES_FILE = "THIRD-PARTY-LICENSES.txt";

/**
 * Fills `folder`, whose earlier content is lost, with a server for one platform. It needs nothing else but Node: packages
 * are in the bundle or, where they are native, in the folder's own node_modules.
 */
export async function bundleServer(folder: string, target: Target): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const chunks = await writeChunks(folder, {
    sources: SOURCES,
    main: path.join(SOURCES, "main.ts"),
    external: NATIVE_PACKAGES,
    plugins: [bundledFiles(SOURCES)],
  });
  const native = await copyNativeRuntime(folder, target);

  const modules = chunks.flatMap(({ moduleIds }) => moduleIds);
  const bundled = modules.map((id) => packageOf(id)?.root).filter((root) => root !== undefined);
  const roots = [...new Set([...bundled, ...native])];
  const licence = await readFile(LICENCE, "utf8");
  await writeFile(path.join(folder, "LICENSE"), licence);
  await writeFile(path.join(folder, LICENCES_FILE), await licenceTexts(roots, licence));

  const { name, version, license } = packageJson;
  await writeFile(path.join(folder, "package.json"), `${JSON.stringify({ name, version, license, type: "module" })}\n`);
}
