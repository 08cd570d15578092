// Copies what the bundle cannot hold: onnxruntime's Node package, with the native library of one platform only.

import { cp, mkdir, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

/** As `process.platform` and `process.arch` name them. */
export interface Target {
  readonly platform: string;
  readonly arch: string;
}

/** Imports of these packages stay imports. */
export const NATIVE_PACKAGES = /^onnxruntime-(node|common)(\/|$)/;

const CODE = /(\.js|\.cjs|\.mjs|^package\.json)$/;

/**
 * Makes `node_modules` in `folder`. Returns the folders that it copied from.
 *
 * Throws when the package has no library for the target.
 */
export async function copyNativeRuntime(folder: string, { platform, arch }: Target): Promise<string[]> {
  const runtime = packageRoot("onnxruntime-node", import.meta.url);
  const common = packageRoot("onnxruntime-common", path.join(runtime, "package.json"));
  const modules = path.join(folder, "node_modules");
  await copyCode(runtime, "dist", path.join(modules, "onnxruntime-node"));
  await copyCode(common, "dist", path.join(modules, "onnxruntime-common"));

  const binaries = path.join(runtime, "bin");
  const [versions = ""] = await readdir(binaries);
  const library = path.join(binaries, versions, platform, arch);
  await readdir(library).catch((cause: unknown) => {
    throw new Error(`onnxruntime-node has no library for ${platform}/${arch}`, { cause });
  });
  await cp(library, path.join(modules, "onnxruntime-node/bin", versions, platform, arch), { recursive: true });
  return [runtime, common];
}

function packageRoot(name: string, from: string): string {
  const main = createRequire(from).resolve(name);
  return main.slice(0, main.lastIndexOf(path.join(name, path.sep)) + name.length);
}

/** Only what runs: neither types nor source maps. */
async function copyCode(root: string, code: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await cp(path.join(root, "package.json"), path.join(to, "package.json"));
  for (const entry of await readdir(path.join(root, code), { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && CODE.test(entry.name)) {
      const file = path.join(entry.parentPath, entry.name);
      await cp(file, path.join(to, path.relative(root, file)));
    }
  }
}
