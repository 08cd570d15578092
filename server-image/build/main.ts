#!/usr/bin/env node
// The program that images are built with: bundles the server for the machine it runs on into the folder it is given.

import { arch, platform } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { bundleServer } from "./bundle.ts";

const { positionals } = parseArgs({ allowPositionals: true });
const [folder] = positionals;
if (folder === undefined || positionals.length > 1) {
  process.stderr.write("usage: main.ts FOLDER   (its content is replaced)\n");
  process.exitCode = 1;
} else {
  const absolute = path.resolve(folder);
  await bundleServer(absolute, { platform: platform(), arch: arch() });
  process.stdout.write(`bundled the server for ${platform()}/${arch()} into ${absolute}\n`);
}
