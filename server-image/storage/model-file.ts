// Finds the model's file: the path itself, or in a folder model.onnx, the only .onnx file, or the latest version folder.

import { readdir, stat } from "node:fs/promises";
import path from "node:path";

import { LoadError } from "../load-error.ts";
import { fileSystemError, realPathOf } from "./local-path.ts";
import { requireInside } from "./mounted-folder.ts";

/** What was fetched. */
export interface FetchedModel {
  /** Absolute path of the .onnx file; its external data lies in the same folder. */
  readonly path: string;
  /** From a version folder of the storage, else "1". */
  readonly version: string;
  /** The file or folder that the fetch made, to be deleted by whoever is done with it. */
  readonly temporaryPath?: string;
}

/** The name that a single file gets in the model's folder. */
export const MODEL_FILE = "model.onnx";
const VERSION_FOLDER = /^[1-9]\d*$/;

export interface LocateOptions {
  /** The folder for messages, as the user knows it. */
  readonly label: string;
  /** Symbolic links must not lead out of this folder, where one is given. */
  readonly root?: string | undefined;
}

/**
 * @param target a file or folder without symbolic links
 *
 * Rejects with a LoadError.
 */
export async function locateModel(target: string, { label, root }: LocateOptions): Promise<FetchedModel> {
  if (!(await isFolder(target, label))) {
    return { path: target, version: "1" };
  }
  const names = await list(target, label);
  const found = modelIn(names);
  if (found !== undefined) {
    return { path: await checked(path.join(target, found), root), version: "1" };
  }
  const latest = latestVersion(names);
  if (latest !== undefined) {
    const folder = path.join(target, latest);
    const inVersion = modelIn(await list(folder, label));
    if (inVersion !== undefined) {
      return { path: await checked(path.join(folder, inVersion), root), version: latest };
    }
  }
  throw new LoadError(
    "download",
    "MODEL_NOT_FOUND",
    `${label} is a folder without a model: it must hold ${MODEL_FILE}, exactly one .onnx file, or a version folder ` +
      `such as 1/${MODEL_FILE}; it holds ${names.length === 0 ? "nothing" : names.slice(0, 10).join(", ")}`,
  );
}

/**
 * Which files of a folder are needed, by their paths in it: where `locateModel` would take the latest version folder,
 * only what is in that one.
 */
export function isNeeded(paths: readonly string[]): (file: string) => boolean {
  const latest = latestVersion(paths.map((file) => file.split("/")[0] ?? ""));
  if (latest === undefined || modelIn(paths.filter((file) => !file.includes("/"))) !== undefined) {
    return () => true;
  }
  return (file) => file.startsWith(`${latest}/`);
}

function latestVersion(names: readonly string[]): string | undefined {
  const versions = names.filter((name) => VERSION_FOLDER.test(name));
  return versions.toSorted((a, b) => Number(b) - Number(a))[0];
}

function modelIn(names: readonly string[]): string | undefined {
  const models = names.filter((name) => name.endsWith(".onnx"));
  return models.includes(MODEL_FILE) ? MODEL_FILE : models.length === 1 ? models[0] : undefined;
}

async function checked(file: string, root: string | undefined): Promise<string> {
  const target = await realPathOf(file, file);
  if (root !== undefined) {
    requireInside(root, target, file);
  }
  return target;
}

async function isFolder(target: string, label: string): Promise<boolean> {
  try {
    return (await stat(target)).isDirectory();
  } catch (cause) {
    throw fileSystemError(cause, label);
  }
}

async function list(folder: string, label: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw fileSystemError(cause, label);
  }
}
