-- What the guide shows is true.

local program = require "spec.program"

local lua = arg[-1] or "lua5.4"

local function contents(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

describe("the guide", function()
  local topics = dofile "docs/topics.lua"

  it("has all pages in the menu", function()
    local files = {}
    for name in program.run "ls docs/guide/*":gmatch "[^\n]+" do
      files[#files + 1] = name
    end
    local listed = table.move(topics, 1, #topics - 1, 1, {})
    table.sort(listed)
    assert.same(files, listed)
  end)

  for _, name in ipairs(topics) do
    it("has samples that run: " .. name, function()
      local output, how, status = program.run(("LUA_PATH='%s' LUA_CPATH='%s' "
        .. "timeout -s KILL 60 %s docs/samples.lua %s"):format(package.path,
        package.cpath, lua, name))
      assert.same({ "exit", 0 }, { how, status }, output)
    end)

    it("has links that lead somewhere: " .. name, function()
      local text = contents(name)
      for link in text:gmatch "%]%(([^%)#:]+)%)" do
        assert.is_truthy(io.open(name:match "^.*/" .. link), link)
      end
    end)
  end
end)
