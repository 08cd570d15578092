// For the bundler: keeps files that code finds beside itself (worker scripts, pages, .proto files) findable in the bundle.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import type { Plugin, PluginContext } from "rolldown";

/** All chunks of the bundle lie in one folder, so that `import.meta.url` and `__dirname` mean that folder in each. */
const PACKAGES_FOLDER = "packages";

/**
 * Packages that read files of their own at run time, by path from `__dirname`, and which files those are. None for a
 * package that does so only in a feature that the server leaves alone.
 */
const FILES_READ_BY_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@grpc/grpc-js": ["proto"],
  "@grpc/reflection": ["build/proto/grpc"],
  "grpc-health-check": ["proto"],
  // Transports in threads of their own; the server logs to stdout from the thread it is in.
  pino: [],
  "thread-stream": [],
};

const NEW_URL = /new URL\("(\.{1,2}\/[^"]+)", import\.meta\.url\)/g;
const IMPORT_META = /import\.meta\.\w+/;
const MODULE_OF_PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\/(.*)$/;

/** The package that a module belongs to; undefined for the server's own modules and the bundler's. */
export function packageOf(moduleId: string): { root: string; name: string; file: string } | undefined {
  const [, root, name, file] = MODULE_OF_PACKAGE.exec(moduleId.replace(/^\0/, "")) ?? [];
  return root === undefined || name === undefined || file === undefined ? undefined : { root, name, file };
}

/**
 * In the server's own modules `new URL("./file", import.meta.url)` is the one way to name a file: a script (.ts) becomes
 * an entry point of its own, anything else is copied. In packages, `__dirname` means the package's folder again.
 * Fails the build for whatever would not be found.
 */
export function bundledFiles(sourceFolder: string): Plugin {
  return {
    name: "bundled-files",
    transform(code, id) {
      const ofPackage = packageOf(id);
      if (ofPackage !== undefined) {
        return code.includes("__dirname") ? inPackage(this, code, ofPackage) : null;
      }
      return id.startsWith(sourceFolder) && code.includes("import.meta")
        ? inServer(this, code, { id, sourceFolder })
        : null;
    },
  };
}

function inServer(context: PluginContext, code: string, { id, sourceFolder }: { id: string; sourceFolder: string }) {
  const replaced = code.replace(NEW_URL, (_whole, relative: string) => {
    const file = path.resolve(path.dirname(id), relative);
    const fileName = path.relative(sourceFolder, file).replaceAll(path.sep, "-").replace(/\.ts$/, ".js");
    context.emitFile(
      file.endsWith(".ts")
        ? { type: "chunk", id: file, fileName }
        : { type: "asset", fileName, source: readFileSync(file) },
    );
    return `new URL("./${fileName}", import.meta.url)`;
  });
  const left = IMPORT_META.exec(code.replace(NEW_URL, ""));
  if (left !== null) {
    throw new Error(`${id}: ${left[0]} is not understood by the bundler; write new URL("./file", import.meta.url)`);
  }
  return { code: replaced };
}

function inPackage(
  context: PluginContext,
  code: string,
  { root, name, file }: NonNullable<ReturnType<typeof packageOf>>,
): { code: string } {
  const folders = FILES_READ_BY_PACKAGES[name];
  if (folders === undefined) {
    throw new Error(`${name}/${file} reads files beside itself: list them in FILES_READ_BY_PACKAGES`);
  }
  for (const folder of folders) {
    for (const entry of readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) {
        const from = path.join(entry.parentPath, entry.name);
        const fileName = path.posix.join(PACKAGES_FOLDER, name, path.relative(root, from));
        context.emitFile({ type: "asset", fileName, source: readFileSync(from) });
      }
    }
  }
  const folder = path.posix.join("/", PACKAGES_FOLDER, name, path.posix.dirname(file));
  return { code: code.replaceAll(/\b__dirname\b/g, `(__dirname + ${JSON.stringify(folder)})`) };
}
