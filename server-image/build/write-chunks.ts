// Bundles a program of this repository with its packages: one .js per entry point and per part that they share.

import { type OutputChunk, type RolldownPluginOption, rolldown } from "rolldown";

export interface Program {
  /** The folder of its sources. */
  readonly sources: string;
  /** Run this file, `main.ts` or the like, as `main.js`. */
  readonly main: string;
  /** Packages that are not bundled. */
  readonly external?: RegExp;
  readonly plugins?: RolldownPluginOption;
}

/** Writes the program into `folder`. Throws whatever the bundler warns of: it is about something that fails when it runs. */
export async function writeChunks(
  folder: string,
  { sources, main, external, plugins }: Program,
): Promise<OutputChunk[]> {
  const bundle = await rolldown({
    cwd: sources,
    input: { main },
    platform: "node",
    ...(external === undefined ? {} : { external }),
    plugins,
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  const { output } = await bundle.write({
    dir: folder,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await bundle.close();
  return output.filter((file) => file.type === "chunk");
}
