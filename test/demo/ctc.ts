// Greedy CTC decoding: turns the most likely class of each image column into text.

/** Class 0 of every CTC model: "no character here"; it also separates doubled letters. */
const blank = 0;

/** Characters by class, class 0 (blank) being empty. */
export type Dictionary = readonly string[];

/**
 * Reads PaddleOCR's dictionary file: one character per line, in the order of the classes 1, 2, ...; the space comes last and is not in the file.
 */
export function parseDictionary(file: string): Dictionary {
  const characters = file.split("\n");
  if (characters.at(-1) === "") {
    characters.pop();
  }
  return ["", ...characters, " "];
}

/**
 * Joins equal neighbours, then drops blanks: `l l _ l o` is "llo". Spaces at the ends are dropped, too: in a picture nobody can see them.
 * @throws RangeError when a class is not in the dictionary.
 */
export function decodeCtc(classes: readonly number[], dictionary: Dictionary): string {
  let text = "";
  let previous = blank;
  for (const current of classes) {
    const character = dictionary[current];
    if (character === undefined) {
      throw new RangeError(`class ${current} is not in the dictionary of ${dictionary.length} classes`);
    }
    if (current !== previous) {
      text += character;
    }
    previous = current;
  }
  return text.trim();
}
