-- The module that edits lines; spec/repl/terminal_spec.lua has what one types.

local helper = require "spec.helper"
local interpreter = require "spec.interpreter"
local posix = require "spec.posix"
local program = require "spec.program"
local terminal = require "spec.terminal"

local found, readline = pcall(require, "libevent.readline")
local each = found and describe or pending

local function complete()
  return {}
end

--- Calls a function of the module with a bad value in each place.
local function badargs(name, signature, good)
  helper.badargs(function(_, ...)
    return readline[name](...)
  end, nil, signature, good)
end

--- Runs code on a terminal; `read(prompt)` is there to read a line, `complete`
-- is a global function that completes.
local function script(code)
  local name <const> = os.tmpname()
  local file <close> = io.open(name, "w")
  file:write [[
    local readline = require "libevent.readline"
    function read(prompt)
      readline.prompt(prompt)
      local line
      repeat
        line = readline.feed()
      until line ~= nil
      return line
    end
    readline.start(function(...) return complete(...) end)
  ]]
  file:write(code)
  file:close()
  return terminal.start(([[
    stty -g
    %s %s
    status=$?
    rm %s
    test $status = 0 && stty -g]]):format(interpreter.lua, name, name))
end

--- Waits for the end: the terminal is as it was before.
local function finish(t, mode)
  local text = t:finish()
  assert.equal(mode .. "\n", text:sub(-#mode - 1))
  return (text:sub(1, -#mode - 2))
end

each("readline", function()
  before_each(function()
    posix.alarm(60)
  end)

  after_each(function()
    readline.stop()
    posix.alarm(0)
  end)

  it("is taken once", function()
    for name, fn in pairs(readline) do
      if name ~= "start" and name ~= "stop" then
        local ok, message = pcall(fn, "x", 1)
        assert.is_false(ok)
        assert.matches(name == "raise" and "bad argument"
          or "has not been started", message)
      end
    end
    readline.stop()
    readline.start(complete)
    assert.has_error(function()
      readline.start(complete)
    end, "readline has been started already")
    assert.has_error(readline.feed, "there is no prompt")
    readline.hide()
    readline.show()
    readline.forget()
    readline.resize()
    readline.stop()
    readline.start(complete)
  end)

  it("checks arguments", function()
    badargs("start", "function")
    readline.start(complete)
    badargs("raise", "number")
    for _, name in ipairs { "prompt", "add", "history" } do
      for _, bad in ipairs { false, {}, print } do
        assert.error_matches(function()
          readline[name](bad)
        end, "bad argument #1 to '%S+' %(string expected")
      end
    end
    assert.has_error(function()
      readline.history("", 1)
    end, "bad argument #1 to 'history' (name of a file expected)")
    for _, max in ipairs { 0, -1, 1000001 } do
      assert.error_matches(function()
        readline.history("/dev/null", max)
      end, "integer from 1 to 1000000 expected")
    end
  end)

  it("keeps the last lines in a file", function()
    local name, _ <close> = helper.temporary(("old\n"):rep(50))
    readline.start(complete)
    assert.is_true(readline.history(name, 3))
    for _, line in ipairs { "a", "a", "old", "b" } do
      assert.is_true(readline.add(line))
    end
    local function lines()
      return (program.run("tr '\\n' ' ' < " .. name))
    end
    assert.equal("old old old a old b ", lines())
    readline.stop()
    readline.start(complete)
    assert.is_true(readline.history(name, 3))
    assert.equal("a old b ", lines())
    assert.is_true(readline.add "b")
    assert.equal("a old b ", lines())
  end)

  it("tells that a file cannot be written", function()
    readline.start(complete)
    local _, message, code = readline.history("/dev/null/x/history", 3)
    assert.same({ "history: Not a directory", 20 }, { message, code })
    _, message, code = readline.add "a"
    assert.same({ "history: Not a directory", 20 }, { message, code })
    assert.is_nil((readline.history("/dev", 3)))
  end)

  it("shows nothing where completing fails", function()
    local t <close> = script [[
      local ways = {
        function() error "no" end, function() error() end,
        function() return 1 end, function() end, function() return {} end,
        function() return { {} } end, function() return { "ab", error } end,
        function() coroutine.yield() end,
        function() local function deep() return deep() .. "" end deep() end,
        function() readline.stop() end, function() readline.prompt "x" end,
        function() readline.feed() end, function() readline.hide() end,
      }
      for _, way in ipairs(ways) do
        complete = way
        print(read "> ")
        complete = function() collectgarbage() return { "ab" } end
        print(read "> ")
      end
      readline.stop()
    ]]
    local mode = t:expect "\n"
    for _ = 1, 13 do
      t:type "a\t\r"
      t:expect "> a.?\na\n> $"
      t:type "a\t\r"
      t:expect "ab\nab\n"
    end
    finish(t, mode)
  end)

  it("gives the terminal back where completing ends the process", function()
    for _, code in ipairs {
      "os.exit()", "os.exit(true, true)",
      "setmetatable({}, { __gc = function() os.exit() end }) collectgarbage()",
    } do
      local t <close> = script("complete = function() " .. code
        .. " end read '> '")
      local mode = t:expect "\n"
      t:expect "> $"
      t:type "a\t"
      assert.equal("a\n", finish(t, mode))
    end
  end)

  it("gives the terminal back where nobody does", function()
    for code, output in pairs {
      ["print(1)"] = "1\n",
      ["readline = nil package.loaded['libevent.readline'] = nil "
        .. "collectgarbage() print(1)"] = "1\n",
      ["os.exit()"] = "\n", ["os.exit(true, true)"] = "",
    } do
      local t <close> = script("readline.prompt '' " .. code)
      local mode = t:expect "\n"
      assert.equal(output, finish(t, mode):gsub("^%s*1", "1"))
    end
  end)

  it("takes long lines, and bytes of every kind", function()
    local t <close> = script [[
      readline.history("/dev/null", 10)
      for _ = 1, 4 do
        local line = read "> "
        print(#line, (line:gsub("[^\1-\31]", "")))
      end
      print(read "> ")
    ]]
    local mode = t:expect "\n"
    t:expect "> $"
    t:type(("x"):rep(10000) .. "\r")
    t:expect "\n10000\t\n> $"
    t:type("\27[200~" .. ("x"):rep(100000) .. "\27[201~\r")
    t:expect "\n100000\t\n> $"
    t:type "\255\254ä\0\22\1\27[Z\27\27[9999~\r"
    t:expect "\n%d+\t[^\n]*\n> $"
    t:type "\24\18\24\21(\22\27\27[200~ unfinished"
    t:expect " unfinished$"
    t:type "\r"
    t:expect "\n%d+\t"
    t:expect "> $"
    t:type "\18\27[200~unfinished \27[20"
    t:expect "search%)`unfinished"
    t:type "\7\4"
    assert.matches("false\n$", finish(t, mode))
  end)
end)
