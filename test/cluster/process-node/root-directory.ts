// Lays out the file system that a container sees: the machine's own directories, private ones, and the pod's volumes.

import { join } from "node:path";

/** Something that appears at `target` in the container; both paths are absolute. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly type: "directory" | "file";
}

/** To be taken in order; all paths are absolute paths of the machine. `bind` runs in the container's mount namespace. */
export type LayoutStep =
  | { readonly do: "make directory" | "make file"; readonly path: string }
  | { readonly do: "link"; readonly path: string; readonly to: string }
  | { readonly do: "bind"; readonly path: string; readonly source: string; readonly readOnly: boolean };

/** The machine's file system as the layout needs it. */
export interface Machine {
  /** The kind of a path, its last component not followed; devices and the like are files. */
  kind(path: string): "directory" | "file" | "link" | "missing";
  list(path: string): readonly string[];
  readLink(path: string): string;
  /** The path without links, where it exists; undefined where not. */
  realPath(path: string): string | undefined;
}

/** Top-level directories that each container has for itself, as in an image: empty at first, and gone with it. */
export const privateDirectories: ReadonlySet<string> = new Set([
  "dev",
  "home",
  "media",
  "mnt",
  "proc",
  "root",
  "run",
  "srv",
  "tmp",
]);
const leftOut: ReadonlySet<string> = new Set(["boot", "lost+found"]);
const devices = ["full", "null", "random", "tty", "urandom", "zero"];

/** Where the whole machine appears inside a container that needs a changed copy of one of its directories. */
const machineDirectory = "/.machine";

/** A path that is a mount's target or leads to one. */
interface Entry {
  readonly children: Map<string, Entry>;
  mount?: Mount;
}

/**
 * Containers share the machine's programs and libraries, since there are no images. What they write below the private
 * directories is their own. A mount may have any target: where a name is missing on the machine, the nearest directory
 * that exists is made anew, with links to what the machine's holds, so that the machine is never changed.
 */
export function planRootDirectory(root: string, mounts: readonly Mount[], machine: Machine): LayoutStep[] {
  return new Layout(root, machine).plan(mounts);
}

class Layout {
  readonly #root: string;
  readonly #machine: Machine;
  readonly #steps: LayoutStep[] = [];
  #linksToMachine = false;

  constructor(root: string, machine: Machine) {
    this.#root = root;
    this.#machine = machine;
  }

  plan(mounts: readonly Mount[]): LayoutStep[] {
    const top: Entry = { children: new Map() };
    const names = this.#machine.list("/").filter((name) => !leftOut.has(name));
    for (const name of [...names, ...privateDirectories]) top.children.set(name, { children: new Map() });
    const existing = devices.map((name) => `/dev/${name}`).filter((path) => this.#machine.kind(path) !== "missing");
    for (const path of existing) insert(top, path, { source: path, target: path, readOnly: false, type: "file" });
    for (const mount of mounts) insert(top, this.#withoutLinks(mount.target), mount);

    for (const [name, entry] of top.children) this.#addTopLevel(name, entry);
    for (const [index, name] of ["stdin", "stdout", "stderr"].entries())
      this.#link(`/dev/${name}`, `/proc/self/fd/${index}`);
    this.#link("/dev/fd", "/proc/self/fd");
    this.#make("directory", "/dev/shm");
    if (this.#linksToMachine) {
      this.#make("directory", machineDirectory);
      this.#bind(machineDirectory, { source: "/", readOnly: false });
    }
    return this.#steps;
  }

  /** On the machine /var/run may be a link to /run: the target then lies in the container's own /run. */
  #withoutLinks(path: string): string {
    const parts = path.split("/").filter((part) => part !== "");
    for (let length = parts.length; length > 0; length -= 1) {
      const real = this.#machine.realPath(`/${parts.slice(0, length).join("/")}`);
      if (real !== undefined) return join(real, ...parts.slice(length));
    }
    return path;
  }

  #addTopLevel(name: string, entry: Entry): void {
    const path = `/${name}`;
    const isPrivate = privateDirectories.has(name);
    const kind = this.#machine.kind(path);
    if (!isPrivate && kind === "link") this.#link(path, this.#machine.readLink(path));
    else if (isPrivate || kind === "directory" || leadsToMount(entry)) this.#add(path, entry, !isPrivate);
  }

  /** @param inherited whether the machine's directory of the same path shows here */
  #add(path: string, entry: Entry, inherited: boolean): void {
    if (entry.mount !== undefined) {
      this.#make(entry.mount.type, path);
      this.#bind(path, entry.mount);
      this.#bindBelow(path, entry, entry.mount.source);
    } else if (!inherited || this.#machine.kind(path) !== "directory") {
      this.#make("directory", path);
      for (const [name, child] of entry.children) this.#add(join(path, name), child, false);
    } else if (this.#targetsExist(path, entry)) {
      this.#make("directory", path);
      this.#bind(path, { source: path, readOnly: false });
      this.#bindBelow(path, entry, undefined);
    } else this.#addChangedCopy(path, entry);
  }

  #targetsExist(path: string, entry: Entry): boolean {
    return [...entry.children].every(([name, child]) => {
      const kind = this.#machine.kind(join(path, name));
      if (child.mount !== undefined) return kind === child.mount.type;
      return kind === "directory" && this.#targetsExist(join(path, name), child);
    });
  }

  /** @param volume makes missing mount points in this directory, as container runtimes do; undefined: they all exist */
  #bindBelow(path: string, entry: Entry, volume: string | undefined): void {
    for (const [name, child] of entry.children) {
      const target = join(path, name);
      const inVolume = volume === undefined ? undefined : join(volume, name);
      if (child.mount === undefined) this.#bindBelow(target, child, inVolume);
      else {
        if (inVolume !== undefined) this.#steps.push({ do: `make ${child.mount.type}`, path: inVolume });
        this.#bind(target, child.mount);
        this.#bindBelow(target, child, child.mount.source);
      }
    }
  }

  #addChangedCopy(path: string, entry: Entry): void {
    this.#make("directory", path);
    for (const name of this.#machine.list(path)) {
      if (entry.children.has(name)) continue;
      this.#linksToMachine = true;
      this.#link(join(path, name), join(machineDirectory, path, name));
    }
    for (const [name, child] of entry.children) this.#add(join(path, name), child, true);
  }

  #make(type: "directory" | "file", path: string): void {
    this.#steps.push({ do: `make ${type}`, path: join(this.#root, path) });
  }

  #link(path: string, to: string): void {
    this.#steps.push({ do: "link", path: join(this.#root, path), to });
  }

  #bind(path: string, { source, readOnly }: Pick<Mount, "source" | "readOnly">): void {
    this.#steps.push({ do: "bind", path: join(this.#root, path), source, readOnly });
  }
}

function insert(top: Entry, target: string, mount: Mount): void {
  let entry = top;
  for (const name of target.split("/").filter((part) => part !== "")) {
    const next = entry.children.get(name) ?? { children: new Map<string, Entry>() };
    entry.children.set(name, next);
    entry = next;
  }
  entry.mount = mount;
}

function leadsToMount(entry: Entry): boolean {
  return entry.mount !== undefined || [...entry.children.values()].some(leadsToMount);
}
