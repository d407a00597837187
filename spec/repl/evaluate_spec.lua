local evaluate = require "libevent.repl.evaluate"

describe("an input", function()
  local env = { x = 5 }

  it("is an expression, or a chunk", function()
    for text, value in pairs {
      ["1 + 1"] = 2, ["= x"] = 5, [" =x"] = 5, x = 5, ["return x"] = 5,
      ["local y = x return y"] = 5, ["'a', 2"] = "a", ["'='"] = "=",
    } do
      assert.equal(value, (assert(evaluate.compile(text, env))()))
    end
    assert(evaluate.compile("z = 7", env))()
    assert.equal(7, env.z)
  end)

  it("may be the beginning of one", function()
    for _, text in ipairs { "for i = 1, 2 do", "x = {", "f(", "'a' ..",
      "= {", "function f()", "if x then", "[[a" } do
      assert.same({ nil, nil }, { evaluate.compile(text, env) })
    end
  end)

  it("may be wrong", function()
    for text, message in pairs {
      ["x y"] = "input:1: syntax error near 'y'",
      ["= )"] = "input:1: unexpected symbol near ')'",
      ["'a\nb'"] = "input:1: unfinished string near ''a'",
    } do
      assert.same({ nil, message }, { evaluate.compile(text, env) })
    end
  end)
end)
