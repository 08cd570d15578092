// What kubectl and HPAs may write as a selector, and what it selects.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LabelSelectorError, matchesLabels, onlyValue, parseLabelSelector } from "./label-selector.ts";

const key = "serving.plimsoll.dev/inference-service";
const labels = new Map([
  [key, "resnet"],
  ["tier", "gold"],
  ["empty", ""],
]);

describe("a selector matches", () => {
  test.each<[sentence: string, selector: string, expected: boolean]>([
    ["everything when it is empty", "", true],
    ["everything when it is blank", "  ", true],
    ["an equal value", `${key}=resnet`, true],
    ["not another value", `${key}=bert`, false],
    ["an equal value written with ==", `${key}==resnet`, true],
    ["with blanks around the operator", ` ${key} = resnet `, true],
    ["the empty value that is written as nothing", "empty=", true],
    ["not the empty value where the label is missing", "absent=", false],
    ["what is unequal", "tier!=silver", true],
    ["what is missing as unequal", "absent!=silver", true],
    ["not what is equal when unequal is asked", "tier!=gold", false],
    ["one of a set", `${key} in (bert,resnet)`, true],
    ["none of a set", `${key} notin (bert,gpt)`, true],
    ["not one of an excluded set", `${key} notin (bert, resnet)`, false],
    ["a missing label as outside every set", "absent notin (a)", true],
    ["a set of the empty value", "empty in ()", true],
    ["a set with an empty member", "empty in (a,,b)", true],
    ["a label that exists", "tier", true],
    ["not a label that does not exist", "absent", false],
    ["the absence of a label", "!absent", true],
    ["not the absence of a present one", "! tier", false],
    ["when all requirements hold", `${key}=resnet,tier in (gold),!absent`, true],
    ["not when one does not hold", `${key}=resnet,tier=silver`, false],
    ["a key that is called in", "in in (in)", false],
    ["names of Object's prototype only where they are labels", "constructor", false],
  ])("%s", (_sentence, selector, expected) => {
    expect(matchesLabels(parseLabelSelector(selector), labels)).toBe(expected);
  });
});

describe("a selector is refused", () => {
  test.each<[sentence: string, selector: string]>([
    ["with two words", "a b"],
    ["with a comma at its end", "a=b,"],
    ["with a comma at its start", ",a=b"],
    ["without a key", "=b"],
    ["with two operators", "a=!b"],
    ["with an open set", "a in (b"],
    ["with a set without parentheses", "a in b"],
    ["with two words in a set", "a in (b c)"],
    ["with a comparison of numbers", "a>5"],
    ["with text after a set", "a in (b) c"],
    ["with a negation that compares", "!a=b"],
    ["with a key that is no label key", "a/b/c=d"],
    ["with a prefix that is no domain", "A_/b=c"],
    ["with an empty prefix", "/b=c"],
    ["with a name that is too long", `${"x".repeat(64)}=c`],
    ["with a value that is no label value", "a=-b"],
    ["with a value that is too long", `a=${"x".repeat(64)}`],
    ["with a NUL", "a=b\0"],
    ["with an emoji", "a=😀"],
  ])("%s", (_sentence, selector) => {
    expect(() => parseLabelSelector(selector)).toThrow(LabelSelectorError);
  });

  test("with a message that says what is allowed", () => {
    expect(() => parseLabelSelector("a b")).toThrow(
      'unable to parse label selector "a b": found "b" where a comma or the end is expected; allowed are KEY=VALUE',
    );
  });
});

describe("the only value that a selector allows", () => {
  test.each<[sentence: string, selector: string, expected: string | undefined]>([
    ["is that of an equation", `tier,${key}=resnet`, "resnet"],
    ["is that of a set of one", `${key} in (resnet)`, "resnet"],
    ["is unknown for a set of two", `${key} in (resnet,bert)`, undefined],
    ["is unknown for an exclusion", `${key}!=resnet`, undefined],
    ["is unknown for other keys", "tier=gold", undefined],
  ])("%s", (_sentence, selector, expected) => {
    expect(onlyValue(parseLabelSelector(selector), key)).toBe(expected);
  });
});

test("any text is either a selector or refused as one", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "-", "/", ".", "=", "!", "(", ")", ",", " ", "in", "notin", ">"),
  });
  fc.assert(
    fc.property(text, (selector) => {
      try {
        for (const { key: label } of parseLabelSelector(selector)) expect(selector).toContain(label);
      } catch (error) {
        expect(error).toBeInstanceOf(LabelSelectorError);
      }
    }),
  );
});

test("what is written from requirements reads back as the same requirements", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/);
  const requirement = fc.oneof(
    fc.record({
      key: name,
      operator: fc.constantFrom("exists" as const, "doesNotExist" as const),
      values: fc.constant([]),
    }),
    fc.record({
      key: name,
      operator: fc.constantFrom("in" as const, "notin" as const),
      values: fc.array(name, { minLength: 1, maxLength: 4 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 5 }), (requirements) => {
      const text = requirements.map(({ key: label, operator, values }) => {
        if (operator === "exists") return label;
        return operator === "doesNotExist" ? `!${label}` : `${label} ${operator} (${values.join(",")})`;
      });
      expect(parseLabelSelector(text.join(","))).toEqual(requirements);
    }),
  );
});
