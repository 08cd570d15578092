// The JSON part of an inference request, read: what is asked of the model, and the data of inputs that JSON carries.

import type { Datatype, Tensor } from "../../tensors/datatypes.ts";

/** How one output is written. */
export interface OutputForm {
  readonly name: string;
  /** As bytes after the JSON text, else in it. */
  readonly binary: boolean;
  /** Its JSON object up to the sizes of its shape. */
  readonly start: string;
}

/** An input whose data follows the JSON text. */
export interface BinaryInput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** The product of the shape. */
  readonly count: number;
  /** As the client says it. */
  readonly byteSize: number;
  /** Names it in messages. */
  readonly what: string;
}

export interface RequestHead {
  /** The client's, where it gave one. */
  readonly id: string | undefined;
  readonly inputs: readonly (Tensor | BinaryInput)[];
  readonly outputNames: readonly string[];
  /** In the order of `outputNames`. */
  readonly outputForms: readonly OutputForm[];
  readonly priority: number | undefined;
  readonly timeoutMs: number | undefined;
}
