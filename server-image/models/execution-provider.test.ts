// Which execution provider runs the model, by what was asked for and what the pod has.

import { expect, test } from "vitest";

import { chooseProvider, type ProviderChoice } from "./execution-provider.ts";

const WITH_GPU = (file: string) => file === "/dev/nvidiactl";
const WITHOUT_GPU = () => false;

const CASES: [string, ProviderChoice, (file: string) => boolean, string][] = [
  ["by itself: the GPU where there is one", "auto", WITH_GPU, "cuda"],
  ["by itself: the CPU where there is none", "auto", WITHOUT_GPU, "cpu"],
  ["the CPU where it was asked for, GPU or not", "cpu", WITH_GPU, "cpu"],
  [
    "the GPU where it was asked for: that there is none is an error later, not the CPU now",
    "cuda",
    WITHOUT_GPU,
    "cuda",
  ],
];
test.each(CASES)("%s", (_name, choice, fileExists, expected) => {
  expect(chooseProvider(choice, fileExists)).toBe(expected);
});
