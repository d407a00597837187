-- Checks that each function of libevent's headers is wrapped, as a docstring
-- says, or stands in docs/unwrapped.txt with a reason; shows how many are.
--
--   lua5.4 docs/api.lua FOLDER MODULES... FILES...
--
-- FOLDER is the one of event.h, MODULES are what was compiled, whose names end
-- in .so: what is said to be wrapped is what they call.

local blocks = require "docs.blocks"
local headers = require "docs.headers"

local unwrapped = "docs/unwrapped.txt"

local functions, macros = headers.read(arg[1])
local failures = 0

local function fail(where, text, ...)
  failures = failures + 1
  io.stderr:write(where, ": ", text:format(...), "\n")
end

--- What the compiled modules call, as a set, and the sources.
local function split_arguments()
  local called, files = {}, {}
  for i = 2, #arg do
    if arg[i]:find "%.so$" then
      local command = ("nm -D --undefined-only '%s'"):format(arg[i])
      for _, line in ipairs(headers.output(command)) do
        called[line:match "U ([%w_]+)" or ""] = true
      end
    else
      files[#files + 1] = arg[i]
    end
  end
  return called, files
end

local called, files = split_arguments()

--- Where it is said of a function that it is wrapped.
local wrapped = {}

--- Notes what a block says; only libevent's names are looked at.
local function note(block, names, calls)
  local where = ("%s:%d"):format(block.file, block.line)
  for _, name in ipairs(names) do
    local ours = name:find "^ev" or name:find "^bufferevent_"
    if ours and not functions[name] and not macros[name] then
      fail(where, "libevent has no '%s'", name)
    elseif calls and functions[name] and not called[name]
        and not macros[name] then
      fail(where, "'Wraps %s', but no module calls it", name)
    end
    wrapped[name] = wrapped[name] or where
  end
end

--- Headings by the functions below them: lines that begin with a hash, up to
-- those that do not.
local listed = {}

local function read_list()
  local heading, begun = "", false
  for number, line in ipairs(blocks.lines(unwrapped)) do
    local where = ("%s:%d"):format(unwrapped, number)
    local text = line:match "^# (.*)"
    if text then
      heading = begun and heading .. " " .. text or text
    end
    begun = text ~= nil
    for name in (text and "" or line):gmatch "%S+" do
      if listed[name] then
        fail(where, "%s stands there twice", name)
      elseif not functions[name] then
        fail(where, "libevent has no '%s'", name)
      elseif wrapped[name] then
        fail(where, "%s is wrapped: see %s", name, wrapped[name])
      end
      listed[name] = heading
    end
  end
end

--- What becomes of a function of libevent: a column of the table.
local function state_of(name)
  local heading = listed[name]
  if wrapped[name] then
    return "wrapped"
  elseif not heading then
    fail(functions[name].header, "%s is neither wrapped nor listed", name)
    return "missing"
  end
  local inside = heading:find "^used inside" ~= nil
  if inside ~= (called[name] or false) then
    fail(unwrapped, inside and "%s is used by no module"
      or "%s is used by a module", name)
  end
  return heading:find "^to come" and "to come" or "listed"
end

local columns = { "wrapped", "listed", "to come", "missing" }

local function show(name, counts)
  local cells = { ("%-22s"):format(name) }
  for _, column in ipairs(columns) do
    cells[#cells + 1] = ("%9s"):format(counts and counts[column] or column)
  end
  print(table.concat(cells))
end

local function count(counts, state)
  for _, column in ipairs(columns) do
    counts[column] = (counts[column] or 0) + (column == state and 1 or 0)
  end
end

local function show_table()
  local all, rows = {}, {}
  for _, each in ipairs(functions) do
    if not rows[each.header] then
      rows[each.header] = {}
      table.insert(rows, each.header)
    end
    local state = state_of(each.name)
    count(rows[each.header], state)
    count(all, state)
  end
  show "header"
  for _, header in ipairs(rows) do
    show(header, rows[header])
  end
  show("all", all)
end

if #functions == 0 then
  fail(arg[1], "no functions of libevent")
end
for _, block in ipairs(blocks.read(files)) do
  note(block, blocks.names_after(block.text, "Wraps"), true)
  note(block, blocks.names_after(block.text, "Does the work of"))
end
read_list()
show_table()
os.exit(failures == 0)
