--- Reads the examples of the manual: docs/examples has a Lua file for each of
-- its pages, `stream.lua` for libevent.stream. What stands below the comment at
-- its top and above the first example is the prelude, which all go on from, as
-- the page says. A line `--- NAME` begins an example, and the body of the block
-- below it is what the manual shows of that function:
--
--     --- event:add
--     do
--       event:add(5)
--     end
--
-- A file that begins with `#!/usr/bin/env evrun` is for tasks: its examples run
-- in the main one. A page may have another file, `stream_more.lua`, for those
-- that need another prelude.
-- @module docs.examples

local blocks = require "docs.blocks"
local headers = require "docs.headers"

local examples = {}

local folder = "docs/examples"

--- A terminal shows an example as it stands there, indented.
local width = 79

local function fail(page, line, text, ...)
  error(("%s:%d: "):format(page.file, line) .. text:format(...), 0)
end

--- The block that begins below a line: what the manual shows of it, and the
-- number of its last line.
local function read_block(page, first)
  local shown = {}
  if page.lines[first + 1] ~= "do" then
    fail(page, first, "no block below the name")
  end
  for number = first + 2, #page.lines do
    local line = page.lines[number]
    if line == "end" then
      if #shown == 0 then
        fail(page, first, "nothing in the block")
      end
      return table.concat(shown, "\n"), number
    elseif line ~= "" and not line:find "^  " then
      fail(page, number, "a block is indented by two spaces")
    elseif utf8.len(line) > width then
      fail(page, number, "more than %d columns", width)
    end
    shown[#shown + 1] = line:sub(3)
  end
  fail(page, first, "the block has no end")
end

--- The text of a prelude that ends above a line, without the comment.
local function read_prelude(page, last)
  local first = 1
  while first <= last and page.lines[first]:find "^[-#]" do
    first = first + 1
  end
  return (table.concat(page.lines, "\n", first, last):match "^%s*(.-)%s*$")
end

--- Reads a file: a list of its examples, each with `name`, `text`, the `file`
-- and the `line` it begins at and the `last` one. The list has the `lines` of
-- the file too, the text of its `prelude` and the line that it `begins` to be
-- examples at, and whether it is for `tasks`.
function examples.read_file(file)
  local page = { file = file, lines = blocks.lines(file) }
  page.tasks = (page.lines[1] or ""):find "^#!.*evrun$" ~= nil
  local number = 0
  while number < #page.lines do
    number = number + 1
    local line = page.lines[number]
    local name = line:match "^%-%-%- ([%w_.:]+)$"
    if name then
      local text, last = read_block(page, number)
      page[#page + 1] = { name = name, text = text, file = file,
        line = number, last = last }
      page.begins = page.begins or number
      number = last
    elseif page.begins and line ~= "" then
      fail(page, number, "it belongs to no example")
    end
  end
  page.begins = page.begins or number + 1
  page.prelude = read_prelude(page, page.begins - 1)
  return page
end

--- Returns the files of all examples.
function examples.files()
  return headers.output(("LC_ALL=C ls %s/*.lua"):format(folder))
end

--- Reads all examples: a list, which is a map by name too. Of two that are for
-- one function, the first is in the map. `preludes` has those of the pages by
-- the last part of their names, each with its `text` and a `title`.
function examples.read()
  local list = { preludes = {} }
  for _, file in ipairs(examples.files()) do
    local page = examples.read_file(file)
    list.preludes[file:match "([%w_]+)%.lua$"] = { text = page.prelude,
      title = page.tasks and "The examples run in a task, and go on from here:"
        or "The examples go on from here:" }
    for _, example in ipairs(page) do
      list[#list + 1] = example
      list[example.name] = list[example.name] or example
    end
  end
  return list
end

return examples
