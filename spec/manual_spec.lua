-- What the manual is made of, as LDoc gets it.
describe("the manual", function()
  local blocks = require "docs.blocks"
  local headers = require "docs.headers"

  local folder = os.tmpname()

  lazy_setup(function()
    os.remove(folder)
    local files = headers.output "find csrc lua -name '*.c' -o -name '*.lua'"
    assert(loadfile("docs/collect.lua", "t", setmetatable(
      { arg = { folder, table.unpack(files) } }, { __index = _G })))()
  end)

  lazy_teardown(function()
    os.execute("rm -rf " .. folder)
  end)

  it("has a page for each program of examples/", function()
    local pages = headers.output(("cd %s/examples && ls"):format(folder))
    local programs = headers.output "find examples -name '*.lua'"
    assert.equal(#programs, #pages)
    for _, name in ipairs(programs) do
      local page = name:gsub("^examples/", ""):gsub("/", "-")
      assert.same(blocks.lines(name),
        blocks.lines(("%s/examples/%s"):format(folder, page)))
    end
  end)
end)
