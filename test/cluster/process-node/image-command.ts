// Which local command stands for a container: the image table, `command` and `args`.

import type { Container } from "kubernetes-types/core/v1.js";
import { expandVariables } from "./environment.ts";

export type ImageTable = Readonly<Record<string, readonly string[]>>;

/** The words to execute, or why the image cannot be "pulled". */
export type ImageCommand = { readonly argv: readonly string[] } | { readonly unknownImage: string };

/**
 * `command` replaces the image's words, `args` follow them, as an entrypoint and its arguments do in an image.
 * The image must be in the table even where `command` replaces its words: a missing image fails in a real cluster too.
 */
export function resolveImageCommand(
  container: Container,
  images: ImageTable,
  environment: Readonly<Record<string, string>>,
): ImageCommand {
  const image = container.image ?? "";
  const entrypoint = images[image];
  if (entrypoint === undefined) return { unknownImage: unknownImageMessage(image, images) };
  const expand = (words: readonly string[]): string[] => words.map((word) => expandVariables(word, environment));
  const command = container.command ?? [];
  return { argv: [...(command.length > 0 ? expand(command) : entrypoint), ...expand(container.args ?? [])] };
}

function unknownImageMessage(image: string, images: ImageTable): string {
  const known = Object.keys(images).toSorted();
  return (
    `no local command stands for image "${image}": a process node runs images from its table only ` +
    `(${known.length > 0 ? known.join(", ") : "which is empty"})`
  );
}
