local complete = require "libevent.repl.complete"
local libevent = require "libevent"

local function words(text, env)
  return complete.words(text, env or _G)
end

describe("a word", function()
  it("becomes a global, or a keyword", function()
    assert.same({ "tab", "then", "true" }, words("t", { tab = 1 }))
    assert.same({ "tostring" }, words "x = tos")
    assert.same({ "while" }, words "whi")
  end)

  it("becomes a field", function()
    local env = { a = { bc = { def = 1, deg = 2, ["x y"] = 3 } } }
    assert.same({ "a.bc" }, words("print(a.b", env))
    assert.same({ "a.bc.def", "a.bc.deg" }, words("a.bc.", env))
    assert.same({}, words("a.no.", env))
    assert.same({}, words("a.bc.def.", env))
  end)

  it("becomes a method, also of userdata", function()
    local base <close> = libevent.event_base()
    local env = { base = base, text = "x" }
    assert.same({ "base:loopbreak" }, words("base:loopb", env))
    assert.same({ "text:byte" }, words("text:by", env))
    assert.same({ "base:objects" }, words("return base:obj", env))
  end)

  it("is not a field of what is no name", function()
    local env = { ab = { abc = 1 } }
    for _, text in ipairs { "f().a", "x[1].a", "'a':a", "1.a" } do
      assert.same({ {}, "" }, { complete.words(text, env) })
    end
    assert.same({ { "ab", "and" }, "a" }, { complete.words("x ..a", env) })
    assert.same({ { "ab", "and" }, "a" }, { complete.words("ab..a", env) })
    assert.same({ { "ab.abc" }, "ab.a" }, { complete.words("x..ab.a", env) })
  end)

  it("may stand behind a long text", function()
    local began = os.clock()
    assert.same({ "until" }, words(("x"):rep(1e5) .. " unt", {}))
    assert.is_true(os.clock() - began < 10)
  end)

  it("runs no code", function()
    local env = { bad = setmetatable({ field = 1 }, { __index = error }) }
    assert.same({ "bad.field" }, words("bad.f", env))
  end)

  it("hides what is private, unless it is asked for", function()
    local env = { __hidden = 1, shown = 2 }
    assert.same({ "shown" }, words("sh", env))
    assert.same({ "__hidden" }, words("__", env))
  end)
end)
