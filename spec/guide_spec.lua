-- What the guide shows is true.

local helper = require "spec.helper"
local program = require "spec.program"

local lua = require "spec.interpreter".lua

local function contents(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

describe("the guide", function()
  local topics = dofile "docs/topics.lua"

  it("has all pages in the menu", function()
    local files = {}
    for name in program.run "ls docs/*.md docs/guide/*":gmatch "[^\n]+" do
      files[#files + 1] = name
    end
    local listed = table.move(topics, 1, #topics, 1, {})
    table.sort(files)
    table.sort(listed)
    assert.same(files, listed)
  end)

  for _, name in ipairs(topics) do
    it("has samples that run: " .. name, function()
      -- libevent's debug mode watches no programs, as samples do.
      local output, how, status = program.run(("env -u LIBEVENT_DEBUG_MODE "
        .. "LUA_PATH='%s' LUA_CPATH='%s' timeout -s KILL 60 %s "
        .. "docs/samples.lua %s"):format(package.path, package.cpath, lua,
        name))
      assert.same({ "exit", 0 }, { how, status }, output)
    end)

    it("has links that lead somewhere: " .. name, function()
      local text = contents(name)
      for link in text:gmatch "%]%(([^%)#:]+)%)" do
        assert.is_truthy(io.open(name:match "^.*/" .. link), link)
      end
    end)
  end

  --- What a page has one type, and a pattern of all that is said then. Samples
  -- that begin with `$` are typed into a shell.
  local function session(name)
    local typed, said = {}, {}
    for sample in contents(name):gmatch "```\n(.-)```" do
      for line in (sample:find "^%$" and "" or sample):gmatch "([^\n]*)\n" do
        local input = line:match "^>>? (.*)"
        table.insert(input and typed or said, (input or line) .. "\n")
      end
    end
    local pattern = table.concat(said):gsub("%p", "%%%0")
      :gsub("\n…\n", "\n…"):gsub("…", ".-")
    return table.concat(typed), "^" .. pattern .. "$"
  end

  it("has a session that goes as it says", function()
    local typed, expected = session "docs/guide/repl.md"
    local file, _ <close> = helper.temporary(typed)
    local output = program.run(("timeout -s KILL 60 %s lua/evrun < %s"):format(
      lua, file))
    assert.matches(expected, output)
  end)
end)
