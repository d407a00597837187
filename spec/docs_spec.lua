describe("the guide", function()
  it("has samples that run", function()
    local command = ("LUA_PATH='%s' LUA_CPATH='%s' timeout -s KILL 60 %s "
      .. "docs/samples.lua docs/guide.md 2>&1"):format(package.path,
      package.cpath, arg[-1] or "lua5.4")
    local pipe = assert(io.popen(command))
    local output = pipe:read "a"
    assert.same({ true, "exit", 0 }, { pipe:close() }, output)
  end)
end)
