// The files beside an .onnx file that hold its weights: which ones it names, and that all of them lie in the model's folder.

import { open, realpath, stat } from "node:fs/promises";
import path from "node:path";

import protobuf from "protobufjs/minimal.js";

import { LoadError } from "../load-error.ts";
import { FileWindow } from "./file-window.ts";
import { plainRelativePath, quote, unsafePath } from "./safe-path.ts";

/** Messages of onnx.proto that contain tensors, by field number; other fields are passed over, weights among them. */
interface Message {
  readonly [field: number]: Message | "external data";
}

const TENSOR: Message = { 13: "external data" };
const SPARSE_TENSOR: Message = { 1: TENSOR, 2: TENSOR };
const ATTRIBUTE: Record<number, Message> = { 5: TENSOR, 10: TENSOR, 22: SPARSE_TENSOR, 23: SPARSE_TENSOR };
const NODE: Message = { 5: ATTRIBUTE };
const GRAPH: Message = { 1: NODE, 5: TENSOR, 15: SPARSE_TENSOR };
// A graph in an attribute is the body of a loop or a branch.
ATTRIBUTE[6] = GRAPH;
ATTRIBUTE[11] = GRAPH;
const FUNCTION: Message = { 7: NODE, 11: ATTRIBUTE };
const TRAINING: Message = { 1: GRAPH, 2: GRAPH };
const MODEL: Message = { 7: GRAPH, 20: TRAINING, 25: FUNCTION };

/** What protobuf itself allows, and so the most that onnxruntime reads. */
const MAX_DEPTH = 100;
/** A tag and a length, or a tag and a number. */
const MAX_HEADER_BYTES = 20;
/** One entry is a key and a value; the longest value is a path. */
const MAX_ENTRY_BYTES = 16 * 1024;

/**
 * The locations that the tensors of an .onnx file name, as they are written there, without reading the weights.
 * Rejects with a LoadError of phase `load` when the file is no protobuf message. @param label for messages
 */
export async function externalLocations(file: string, label: string): Promise<ReadonlySet<string>> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    return await new Scan(new FileWindow(handle, size), size).run();
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new LoadError("load", "MODEL_INVALID", `${label}: this is no ONNX model: ${cause.message}`, { cause });
    }
    throw cause;
  } finally {
    await handle.close();
  }
}

/**
 * Rejects with a LoadError unless each of the locations is a file in the folder of the model, links resolved.
 * @param modelFile without symbolic links
 */
export async function requireInFolder(modelFile: string, locations: ReadonlySet<string>, label: string): Promise<void> {
  const folder = path.dirname(modelFile);
  for (const location of locations) {
    const file = path.join(folder, requirePlainLocation(location, label));
    const target = await realpath(file).catch(() => undefined);
    if (target === undefined || !(await stat(target)).isFile()) {
      const message = `${label}: its external data ${quote(location)} is not beside it`;
      throw new LoadError("download", "MODEL_NOT_FOUND", message);
    }
    if (!target.startsWith(`${folder}${path.sep}`)) {
      throw unsafePath(`${label}: its external data ${quote(location)} is a link out of its folder`);
    }
  }
}

/** The location in its plain form. Throws a LoadError when it leads out. */
export function requirePlainLocation(location: string, label: string): string {
  const plain = plainRelativePath(location);
  // With a star in front, onnxruntime takes the offset for an address in its own memory.
  if (plain === undefined || plain === "" || plain.includes("*")) {
    throw unsafePath(`${label}: its external data is at ${quote(location)}`);
  }
  return plain;
}

interface Frame {
  readonly message: Message;
  readonly end: number;
}

/** Throws RangeErrors for what is no protobuf message. */
class Scan {
  readonly #window: FileWindow;
  readonly #frames: Frame[];
  readonly #locations = new Set<string>();
  #position = 0;

  constructor(window: FileWindow, size: number) {
    this.#window = window;
    this.#frames = [{ message: MODEL, end: size }];
  }

  async run(): Promise<ReadonlySet<string>> {
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      if (this.#position === frame.end) {
        this.#frames.pop();
      } else {
        await this.#readField(frame);
      }
    }
    return this.#locations;
  }

  async #readField({ message, end }: Frame): Promise<void> {
    const header = await this.#window.read(this.#position, Math.min(MAX_HEADER_BYTES, end - this.#position));
    const reader = protobuf.Reader.create(header);
    const tag = reader.uint32();
    const wireType = tag & 7;
    if (wireType !== 2) {
      skipField(reader, wireType);
      this.#moveTo(this.#position + reader.pos, end);
      return;
    }
    const length = reader.uint32();
    const start = this.#position + reader.pos;
    const inner = message[tag >>> 3];
    if (start + length > end) {
      throw new RangeError(`a field at byte ${this.#position} is longer than what contains it`);
    }
    if (inner === undefined) {
      this.#moveTo(start + length, end);
    } else if (inner === "external data") {
      await this.#readEntry(start, length);
      this.#moveTo(start + length, end);
    } else {
      this.#enter(inner, start, length);
    }
  }

  #enter(message: Message, start: number, length: number): void {
    if (this.#frames.length >= MAX_DEPTH) {
      throw new RangeError(`messages are nested deeper than ${MAX_DEPTH}`);
    }
    this.#frames.push({ message, end: start + length });
    this.#position = start;
  }

  #moveTo(position: number, end: number): void {
    if (position > end) {
      throw new RangeError(`a field at byte ${this.#position} is longer than what contains it`);
    }
    this.#position = position;
  }

  async #readEntry(start: number, length: number): Promise<void> {
    if (length > MAX_ENTRY_BYTES) {
      throw new RangeError(`external data at byte ${start} is described in more than ${MAX_ENTRY_BYTES} bytes`);
    }
    const reader = protobuf.Reader.create(await this.#window.read(start, length));
    let key = "";
    let value = "";
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === KEY_TAG) {
        key = reader.string();
      } else if (tag === VALUE_TAG) {
        value = reader.string();
      } else {
        skipField(reader, tag & 7);
      }
    }
    if (key === "location") {
      this.#locations.add(value);
    }
  }
}

/** Fields 1 and 2, each with a length. */
const KEY_TAG = 0x0a;
const VALUE_TAG = 0x12;

/** Groups, which protobuf gave up long ago, are refused: nothing writes them, and what is in them would go unread. */
function skipField(reader: protobuf.Reader, wireType: number): void {
  if (wireType === 3 || wireType === 4 || wireType > 5) {
    throw new RangeError(`wire type ${wireType} is not one of ONNX's`);
  }
  reader.skipType(wireType);
}
