-- What the manual shows of each function is true.

local examples = require "docs.examples"
local helper = require "spec.helper"
local program = require "spec.program"

-- Programs that examples start may leak.
local lua = require "spec.interpreter".lua:gsub("leaks=1", "leaks=0")

--- Runs the examples of a file as the manual promises; returns what is wrong
-- with them, and the status. libevent's debug mode watches no programs, as
-- examples do; what they ask is answered.
local function try(file)
  local output, _, status = program.run(([[
    unset LIBEVENT_DEBUG_MODE
    export LUA_PATH='./?.lua;%s' LUA_CPATH='%s' PATH="$PWD/lua:$PATH"
    yes 2>&- | timeout -s KILL 60 %s docs/try.lua %s]]):format(package.path,
    package.cpath, lua, file))
  return output, status
end

describe("the reference", function()
  for _, file in ipairs(examples.files()) do
    it("has examples that run: " .. file, function()
      local output, status = try(file)
      assert.equal(0, status, output)
    end)
  end
end)

describe("an example", function()
  it("is there for each function, and for nothing else", function()
    local file, _ <close> = helper.temporary [[
      local function example(name, file)
        return { name = name, file = file, line = 1 }
      end
      package.loaded["docs.examples"] = { read = function()
        local list = { example("mutex:lock", "one"), example("mutex:lock",
          "two"), example("mutex:owner", "three"), example("mutex", "four") }
        list["mutex:lock"], list["mutex:owner"] = list[1], list[3]
        return list
      end }
      dofile "docs/check.lua" ]]
    local output, _, status = program.run(("LUA_PATH='./?.lua' %s %s %s")
      :format(lua, file, "lua/libevent/mutex.lua"))
    assert.equal(1, status)
    assert.matches("\nlua/libevent/mutex.lua:%d+: mutex:unlock has no example\n"
      .. "two:1: mutex:lock has an example already\n"
      .. "four:1: no function is called 'mutex'\n", "\n" .. output)
    assert.is_nil(output:match "mutex:owner has")
  end)

  --- Asserts that a page fails with a message, which begins with its name.
  local function fails(message, page)
    local file, _ <close> = helper.temporary(page)
    local output, status = try(file)
    assert.equal(1, status, output)
    assert.matches(file .. message, output, 1, true)
  end

  it("is what stands in a block below a name", function()
    local file, _ <close> = helper.temporary [[
-- What twos are good for.
-- And nothing else.

local two = 2

--- event:add
do
  if two then

    print(two)
  end
end

--- libevent.run
do
  print(two)
end
]]
    local page = examples.read_file(file)
    assert.equal(2, #page)
    assert.same({ 6, "local two = 2" }, { page.begins, page.prelude })
    assert.is_false(page.tasks)
    assert.same({ name = "event:add", file = file, line = 6, last = 12,
      text = "if two then\n\n  print(two)\nend" }, page[1])
    assert.equal("print(two)", page[2].text)
    assert.same({ "", 0 }, { try(file) })
  end)

  it("must be a whole block with a name", function()
    fails(":2: no block below the name", "\n--- event:add\nprint(1)\n")
    fails(":1: the block has no end", "--- event:add\ndo\n  print(1)\n")
    fails(":1: nothing in the block", "--- event:add\ndo\nend\n")
    fails(":3: a block is indented by two", "--- event:add\ndo\nprint(1)\nend")
    fails(":5: it belongs to no example",
      "--- event:add\ndo\n  print(1)\nend\nprint(2)\n")
    fails(":3: more than 79 columns", "--- event:add\ndo\n  print '"
      .. ("x"):rep(70) .. "'\nend\n")
    fails(":1: no examples", "print(1)\n")
  end)

  it("must print what it says", function()
    local file, _ <close> = helper.temporary [[
--- event:add
do
  print(1, "a.b", nil) --> 1, a.b, nil
  print("between 5 and 6") --> between … and …
  for i = 1, 3 do
    print(i, -i)
  end
  --> 1, -1
  --> 2, -2, 3, -3
  for i = 1, 2 do
    print(i) --> 1, 2
  end
  print "whatever"
end
]]
    assert.same({ "", 0 }, { try(file) })
    local begin = "--- event:add\ndo\n  "
    fails(":3: it prints '1, nil', not '2'", begin
      .. "print(1, nil) --> 2\nend\n")
    fails(":3: it prints '1, 2', not '1'", begin
      .. "for i = 1, 2 do print(i) end --> 1\nend\n")
    fails(":3: it prints '', not '1'", begin
      .. "for i = 1, 0 do print(i) end --> 1\nend\n")
    fails(":3: nothing is printed here", begin .. "assert(1) --> 1\nend\n")
  end)

  it("must end well, alone and among others", function()
    fails(":1: ", "--- event:add\ndo\n  error 'no'\nend\n")
    fails(":3: no", "--- event:add\ndo\n  error 'no'\nend\n")
    fails(":4: ", "--- event:add\ndo\n  goto nowhere\nend\n")
    fails(":7: second", "--- event:add\ndo\n  Said = true\nend\n"
      .. "--- event:del\ndo\n  return Said and error 'second'\nend\n")
  end)

  it("is a task where the file says so", function()
    local page = [[
--- libevent.sleep
do
  require "libevent".sleep(0)
end
]]
    local file, _ <close> = helper.temporary("#!/usr/bin/env evrun\n" .. page)
    assert.same({ "", 0 }, { try(file) })
    fails(":3: ", page)
  end)
end)
