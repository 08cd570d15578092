// The licence texts of everything in a bundle, in one file: most licences ask that their text comes along.

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** What is read of a package's own description. */
interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name: string };
}

const LICENCE_FILE = /^(licen[cs]e|copying|notice)/i;

/** Packages whose licence file names the holder, but which do not ship it. */
const HOLDERS: Readonly<Record<string, string>> = {
  "onnxruntime-common": "Microsoft Corporation",
  "onnxruntime-node": "Microsoft Corporation",
};

/**
 * Packages with their texts; packages that share a text share its copy.
 *
 * @param roots folders of packages
 * @param apacheText the text of the Apache License 2.0, for packages that name it and ship no copy
 *
 * Throws for a package whose licence has no text to be found.
 */
export async function licenceTexts(roots: readonly string[], apacheText: string): Promise<string> {
  const packagesByText = new Map<string, Set<string>>();
  for (const root of roots) {
    const { title, text } = await licenceOf(root, apacheText);
    packagesByText.set(text, (packagesByText.get(text) ?? new Set()).add(title));
  }
  const sections = [...packagesByText].map(([text, titles]) => `${[...titles].toSorted().join("\n")}\n\n${text}\n`);
  return [
    "This program contains the following packages, under the licences given below each group.\n",
    ...sections.toSorted(),
  ].join(`\n${"-".repeat(80)}\n\n`);
}

async function licenceOf(root: string, apacheText: string): Promise<{ title: string; text: string }> {
  const about = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as PackageJson;
  const files = (await readdir(root)).filter((name) => LICENCE_FILE.test(name)).toSorted();
  const shipped = await Promise.all(files.map((name) => readFile(path.join(root, name), "utf8")));
  const text = shipped.length > 0 ? shipped.join("\n") : standardText(about, apacheText);
  const trimmed = text.replaceAll("\r\n", "\n").trim();
  return { title: `${about.name} ${about.version} (${about.license ?? "see below"})`, text: trimmed };
}

function standardText({ name, license, author }: PackageJson, apacheText: string): string {
  const holder = HOLDERS[name] ?? (typeof author === "string" ? author : author?.name) ?? `the authors of ${name}`;
  switch (license) {
    case "Apache-2.0":
      return apacheText;
    case "MIT":
      return mitText(holder);
    default:
      throw new Error(`${name} ships no text of its licence, ${license ?? "which it does not name"}`);
  }
}

function mitText(holder: string): string {
  return `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
}
