// Renders a line of text as the image that PP-OCRv4 recognition expects, and as a picture for the terminal.

import { createRequire } from "node:module";
import { createCanvas, GlobalFonts } from "@napi-rs/canvas";

/** Height that the model was trained on; its input has no other. */
export const lineHeight = 48;

const fontFamily = "Plimsoll Demo";
const fontPixels = 36;
/** Roboto is wider than it needs to be: 0.8 saves a fifth of the work and every letter is still read (text-line.test.ts). */
const condensed = 0.8;
const marginPixels = 8;
const maxCharacters = 40;

export interface TextLine {
  readonly text: string;
  readonly width: number;
  /** RGBA, row by row, `width * lineHeight * 4` bytes. */
  readonly pixels: Uint8ClampedArray;
  readonly png: Buffer;
}

/** A text that the demo cannot render; the message says what is allowed. */
export class TextError extends Error {
  override readonly name = "TextError";
  readonly code = "TEXT_NOT_ALLOWED";
}

/**
 * Draws `text` in black on white, 48 pixels high and as wide as it needs.
 * @throws TextError unless the text is 1 to 40 printable ASCII characters without spaces at its ends.
 */
export function renderTextLine(text: string): TextLine {
  if (!/^[!-~]([ -~]*[!-~])?$/.test(text) || text.length > maxCharacters) {
    throw new TextError(
      `TEXT is ${JSON.stringify(text)}: allowed are 1 to ${maxCharacters} letters, digits, punctuation marks and spaces of ASCII, no space at either end`,
    );
  }
  registerFont();
  const width = widthOf(text);
  const canvas = createCanvas(width, lineHeight);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, lineHeight);
  context.fillStyle = "black";
  context.font = `${fontPixels}px "${fontFamily}"`;
  context.setTransform(condensed, 0, 0, 1, marginPixels, 0);
  context.fillText(text, 0, 37);
  const pixels = context.getImageData(0, 0, width, lineHeight).data;
  return { text, width, pixels, png: canvas.toBuffer("image/png") };
}

/**
 * The image as the model's input, shape [1, 3, 48, width]: the planes blue, green, red, each value from -1 (black) to 1 (white), as
 * PaddleOCR prepares it. Two decimals, about as fine as the 256 steps of a pixel, keep the request short.
 */
export function toTensor(line: TextLine): number[] {
  const tensor: number[] = [];
  for (const channel of [2, 1, 0]) {
    for (let index = channel; index < line.pixels.length; index += 4) {
      const value = line.pixels[index] ?? 0;
      tensor.push(Math.round((value / 127.5 - 1) * 100) / 100);
    }
  }
  return tensor;
}

/** The image in half-block characters, one per 2 x 4 pixels, without its empty rows: for a dark or a light terminal alike. */
export function toBlocks(line: TextLine): string {
  const rows: string[] = [];
  for (let y = 0; y < lineHeight; y += 4) {
    let row = "";
    for (let x = 0; x + 1 < line.width; x += 2) {
      const upper = isInk(line, x, y);
      const lower = isInk(line, x, y + 2);
      row += upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
    }
    rows.push(row.trimEnd());
  }
  const first = rows.findIndex((row) => row !== "");
  const last = rows.findLastIndex((row) => row !== "");
  return rows.slice(first, last + 1).join("\n");
}

function isInk(line: TextLine, x: number, y: number): boolean {
  let sum = 0;
  for (const [dx, dy] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ] as const) {
    sum += line.pixels[((y + dy) * line.width + x + dx) * 4] ?? 255;
  }
  return sum < 4 * 128;
}

function widthOf(text: string): number {
  const context = createCanvas(1, 1).getContext("2d");
  context.font = `${fontPixels}px "${fontFamily}"`;
  const width = context.measureText(text).width * condensed + 2 * marginPixels;
  // The model works in columns of 8 pixels.
  return Math.ceil(width / 8) * 8;
}

/** Uses the font of an npm package, so that the picture is the same on every machine. */
function registerFont(): void {
  const file = createRequire(import.meta.url).resolve("@fontsource/roboto/files/roboto-latin-400-normal.woff2");
  if (!GlobalFonts.has(fontFamily) && GlobalFonts.registerFromPath(file, fontFamily) === null) {
    throw new Error(`the font ${file} cannot be loaded; run npm ci`);
  }
}
