// Credentials and addresses of storage: files of a mounted Secret first, then environment variables of the same names.

import { readFile, stat } from "node:fs/promises";
import path from "node:path";

import { invalidSetting } from "./storage-uri.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What belongs together comes from one place. */
export type Place = "folder" | "environment";

export class StorageCredentials {
  readonly #environment: Environment;
  readonly #folder: string | undefined;

  /** @param folder of a mounted Secret; undefined: there is none */
  constructor(environment: Environment, folder: string | undefined) {
    this.#environment = environment;
    this.#folder = folder;
  }

  /** Rejects with a LoadError when the folder cannot be read. */
  async requireFolder(): Promise<void> {
    if (this.#folder === undefined) {
      return;
    }
    const found = await stat(this.#folder).catch(() => undefined);
    if (found?.isDirectory() !== true) {
      throw invalidSetting("the folder of --storage-credentials-directory is not there, or may not be read");
    }
  }

  /** The value without blanks around it, undefined where it is absent or empty. Rejects with a LoadError. */
  async get(name: string): Promise<string | undefined> {
    return (await this.getFrom("folder", name)) ?? (await this.getFrom("environment", name));
  }

  async getFrom(place: Place, name: string): Promise<string | undefined> {
    const value = place === "environment" ? this.#environment[name] : await this.#readFile(name);
    const trimmed = value?.trim();
    return trimmed === "" ? undefined : trimmed;
  }

  async #readFile(name: string): Promise<string | undefined> {
    if (this.#folder === undefined) {
      return undefined;
    }
    try {
      return await readFile(path.join(this.#folder, name), "utf8");
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT") {
        return undefined;
      }
      throw invalidSetting(`${name} in the folder of --storage-credentials-directory cannot be read: ${String(code)}`);
    }
  }
}
