-- What the manual is made of, as LDoc gets it.
describe("the manual", function()
  local blocks = require "docs.blocks"
  local headers = require "docs.headers"

  local files = headers.output "find csrc lua -name '*.c' -o -name '*.lua'"
  local folder = os.tmpname()

  lazy_setup(function()
    os.remove(folder)
    assert(loadfile("docs/collect.lua", "t", setmetatable(
      { arg = { folder, table.unpack(files) } }, { __index = _G })))()
  end)

  lazy_teardown(function()
    os.execute("rm -rf " .. folder)
  end)

  it("tells which functions make objects", function()
    local makers = {}
    for _, page in ipairs(blocks.manual(blocks.read(files))) do
      if page.name == "libevent" then
        for _, block in ipairs(page.functions) do
          makers[#makers + 1] = block.makes and block.name or nil
        end
      end
    end
    table.sort(makers)
    assert.same({ "libevent.condition", "libevent.evbuffer",
      "libevent.event_base", "libevent.socket", "libevent.socketpair" }, makers)
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
