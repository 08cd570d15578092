// Finds the model's file: the path itself, or in a folder model.onnx, the only .onnx file, or the latest version folder.

import { readdir, stat } from "node:fs/promises";
import path from "node:path";

import { LoadError } from "../load-error.ts";
import { fileSystemError, realPathOf } from "./local-path.ts";
import { requireInside } from "./persistent-volume.ts";

/** What was fetched. */
export interface FetchedModel {
  /** Absolute path of the .onnx file. */
  readonly path: string;
  /** From a version folder of the storage, else "1". */
  readonly version: string;
  /** The file or folder that the fetch made, to be deleted by whoever is done with it. */
  readonly temporaryPath?: string;
}

const MODEL_FILE = "model.onnx";
const VERSION_FOLDER = /^[1-9]\d*$/;

/**
 * @param target a file or folder without symbolic links
 * @param root symbolic links must not lead out of this folder, where one is given
 *
 * Rejects with a LoadError.
 */
export async function locateModel(target: string, root?: string): Promise<FetchedModel> {
  if (!(await isFolder(target))) {
    return { path: target, version: "1" };
  }
  const names = await list(target);
  const versions = names.filter((name) => VERSION_FOLDER.test(name)).toSorted((a, b) => Number(b) - Number(a));
  const [latest] = versions;
  const found = modelIn(target, names);
  if (found !== undefined) {
    return { path: await checked(found, root), version: "1" };
  }
  if (latest !== undefined) {
    const folder = path.join(target, latest);
    const inVersion = modelIn(folder, await list(folder));
    if (inVersion !== undefined) {
      return { path: await checked(inVersion, root), version: latest };
    }
  }
  throw new LoadError(
    "download",
    "MODEL_NOT_FOUND",
    `${target} is a folder without a model: it must hold ${MODEL_FILE}, exactly one .onnx file, or a version folder ` +
      `such as 1/${MODEL_FILE}; it holds ${names.length === 0 ? "nothing" : names.slice(0, 10).join(", ")}`,
  );
}

function modelIn(folder: string, names: readonly string[]): string | undefined {
  const models = names.filter((name) => name.endsWith(".onnx"));
  const name = models.includes(MODEL_FILE) ? MODEL_FILE : models.length === 1 ? models[0] : undefined;
  return name === undefined ? undefined : path.join(folder, name);
}

async function checked(file: string, root: string | undefined): Promise<string> {
  const target = await realPathOf(file, file);
  if (root !== undefined) {
    requireInside(root, target, file);
  }
  return target;
}

async function isFolder(target: string): Promise<boolean> {
  try {
    return (await stat(target)).isDirectory();
  } catch (cause) {
    throw fileSystemError(cause, target);
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw fileSystemError(cause, folder);
  }
}
