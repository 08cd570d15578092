// Where a model is put together: a folder that gets its final name only when everything in it is complete and on the disk.

import { type FileHandle, link, mkdir, mkdtemp, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { LoadError } from "../load-error.ts";
import { syncFolder, writing } from "./disk.ts";
import { quote, unsafePath } from "./safe-path.ts";

/** Distinctive names: whatever is called so is removed when the next fetch begins. */
const PARTIAL = "plimsoll-partial";
const COMPLETE = "plimsoll-model";

export interface PublishedFolder {
  readonly folder: string;
  /** What to delete when the model is no longer needed. */
  readonly temporaryPath: string;
}

export class Staging {
  /** Complete files that are not the model's, such as an archive before it is unpacked. */
  readonly downloads: string;
  /** The model's folder as it grows. */
  readonly folder: string;
  readonly #base: string;
  readonly #isTemporary: boolean;
  readonly #folders: Set<string>;

  private constructor(base: string, isTemporary: boolean) {
    this.#base = base;
    this.#isTemporary = isTemporary;
    this.downloads = path.join(base, PARTIAL, "downloads");
    this.folder = path.join(base, PARTIAL, "model");
    this.#folders = new Set([this.folder]);
  }

  /**
   * Begins in `modelDirectory`, or in a new temporary folder. What an earlier process, killed in the middle, left in
   * `modelDirectory` is removed. Rejects with a LoadError.
   */
  static async begin(modelDirectory: string | undefined): Promise<Staging> {
    const base = modelDirectory ?? (await makeTemporaryFolder());
    const staging = new Staging(base, modelDirectory === undefined);
    await writing(async () => {
      await staging.#clear();
      await mkdir(staging.downloads, { recursive: true });
      await mkdir(staging.folder);
    });
    return staging;
  }

  /** Makes a file of the model by what `write` does. Rejects as `write` does, or with a LoadError. */
  async create(relativePath: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
    await this.createFolder(path.dirname(relativePath));
    await makeFile(path.join(this.folder, relativePath), relativePath, write);
  }

  /** Makes a file beside the model and resolves with its path. Rejects as `create` does. */
  async createDownload(write: (handle: FileHandle) => Promise<void>): Promise<string> {
    const file = path.join(this.downloads, "file");
    await makeFile(file, "the download", write);
    return file;
  }

  /** Makes the download a file of the model. Rejects with a LoadError. */
  async adopt(download: string, relativePath: string): Promise<void> {
    await writing(() => rename(download, path.join(this.folder, relativePath)));
  }

  async createFolder(relativePath: string): Promise<void> {
    const folder = path.join(this.folder, relativePath);
    await naming(relativePath, () => mkdir(folder, { recursive: true }));
    for (let parent = folder; !this.#folders.has(parent); parent = path.dirname(parent)) {
      this.#folders.add(parent);
    }
  }

  /** Gives a file of the model a second name. Rejects with a LoadError, or ENOENT or EPERM where there is no such file. */
  async link(existing: string, relativePath: string): Promise<void> {
    await this.createFolder(path.dirname(relativePath));
    await link(path.join(this.folder, existing), path.join(this.folder, relativePath));
  }

  /** The model is complete. Rejects with a LoadError. */
  async publish(): Promise<PublishedFolder> {
    for (const folder of this.#folders) {
      await syncFolder(folder);
    }
    const complete = path.join(this.#base, COMPLETE);
    await writing(async () => {
      await rename(this.folder, complete);
      await rm(path.join(this.#base, PARTIAL), { recursive: true, force: true });
    });
    await syncFolder(this.#base);
    return { folder: complete, temporaryPath: this.#isTemporary ? this.#base : complete };
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await (this.#isTemporary ? rm(this.#base, { recursive: true, force: true }) : this.#clear());
  }

  async #clear(): Promise<void> {
    for (const name of [PARTIAL, COMPLETE]) {
      await rm(path.join(this.#base, name), { recursive: true, force: true });
    }
  }
}

/** "wx" writes to no file that is there already, and so never through a link. */
async function makeFile(file: string, name: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await naming(name, () => open(file, "wx"));
  try {
    await write(handle);
    await writing(() => handle.sync());
  } finally {
    await handle.close();
  }
}

/** Rejects with a LoadError, also where a name is taken. */
async function naming<T>(name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOTDIR" || code === "EISDIR") {
      throw unsafePath(`two files claim the name ${quote(name)}`);
    }
    return writing(() => Promise.reject(cause));
  }
}

/** Its name cannot be foreseen, and nobody else may write into it: what lies there is what was downloaded. */
async function makeTemporaryFolder(): Promise<string> {
  try {
    return await mkdtemp(path.join(tmpdir(), "plimsoll-"));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `no temporary folder can be made (${String(code)}); give --model-directory`;
    throw new LoadError("download", "WRITE_FAILED", message, { cause });
  }
}
