// For the bundler: keeps files that the server finds beside its code (worker scripts, pages) findable in the bundle.

import { readFileSync } from "node:fs";
import path from "node:path";

import type { Plugin, PluginContext } from "rolldown";

/** Packages that name files of their own by `__dirname`, but only for features that the server leaves alone. */
const HARMLESS_PACKAGES: ReadonlySet<string> = new Set([
  // Administration services: channelz and load reports.
  "@grpc/grpc-js",
  // Transports in threads of their own; the server logs to stdout from the thread it is in.
  "pino",
  "thread-stream",
]);

const NEW_URL = /new URL\("(\.{1,2}\/[^"]+)", import\.meta\.url\)/g;
const IMPORT_META = /import\.meta\.\w+/;
const MODULE_OF_PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;

/** The package that a module belongs to; undefined for the server's own modules and the bundler's. */
export function packageOf(moduleId: string): { root: string; name: string } | undefined {
  const [, root, name] = MODULE_OF_PACKAGE.exec(moduleId.replace(/^\0/, "")) ?? [];
  return root === undefined || name === undefined ? undefined : { root, name };
}

/**
 * In the server's own modules `new URL("./file", import.meta.url)` is the one way to name a file: a script (.ts) becomes
 * an entry point of its own, anything else is copied. Fails the build for whatever would not be found.
 */
export function bundledFiles(sourceFolder: string): Plugin {
  return {
    name: "bundled-files",
    transform(code, id) {
      const name = packageOf(id)?.name;
      if (name !== undefined) {
        if (code.includes("__dirname") && !HARMLESS_PACKAGES.has(name)) {
          throw new Error(`${id} may read files beside itself, which are not in the bundle`);
        }
        return null;
      }
      return id.startsWith(sourceFolder) && code.includes("import.meta")
        ? { code: withBundledFiles(this, code, { id, sourceFolder }) }
        : null;
    },
  };
}

function withBundledFiles(
  context: PluginContext,
  code: string,
  { id, sourceFolder }: { id: string; sourceFolder: string },
): string {
  const left = IMPORT_META.exec(code.replace(NEW_URL, ""));
  if (left !== null) {
    throw new Error(`${id}: ${left[0]} is not understood by the bundler; write new URL("./file", import.meta.url)`);
  }
  return code.replace(NEW_URL, (_whole, relative: string) => {
    const file = path.resolve(path.dirname(id), relative);
    // All of the bundle lies in one folder, so that every chunk finds it by the same name.
    const fileName = path.relative(sourceFolder, file).replaceAll(path.sep, "-").replace(/\.ts$/, ".js");
    context.emitFile(
      file.endsWith(".ts")
        ? { type: "chunk", id: file, fileName }
        : { type: "asset", fileName, source: readFileSync(file) },
    );
    return `new URL("./${fileName}", import.meta.url)`;
  });
}
