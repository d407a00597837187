-- Compares the lines of C that `make coverage` has not reached with those that
-- spec/unreached.txt has a reason for, and fails where there is none.
--
--   lua5.4 spec/unreached.lua build/coverage/lines.txt
--
-- A line of the list is a file and the first of lines in a row that are not
-- reached, as it stands there; the reason is the heading above it. Numbers
-- would change with every commit.

--- The lines of a file, by number.
local function lines_of(name)
  local lines = {}
  for line in io.lines(name) do
    lines[#lines + 1] = line:match "^%s*(.-)%s*$"
  end
  return lines
end

--- Reads the list: the reason why each line is not reached, by file and text.
local function read_list(name)
  local list, reason = {}, nil
  for line in io.lines(name) do
    local file, text = line:match "^(csrc/%S+): (.*)$"
    if file then
      assert(reason, "a line without a reason: " .. line)
      list[file .. ": " .. text] = reason
    elseif line:find "%S" then
      reason = line
    end
  end
  return list
end

--- Calls a function with each file of gcovr's report and the first lines of the
-- rows in it that were not reached.
local function each_row(report, fn)
  local file
  for line in io.lines(report) do
    local name = line:match "^(csrc/%S+)"
    file = name or line:find "^ " and file
    local missing = line:match "%d+%%%s+([%d,%-]+)$"
      or not name and line:match "^%s+([%d,%-]+)$"
    for first in (file and missing or ""):gmatch "(%d+)[%d%-]*" do
      fn(file, math.tointeger(first))
    end
  end
end

local list = read_list "spec/unreached.txt"
local sources, met, missing = {}, {}, 0
each_row(arg[1], function(file, number)
  sources[file] = sources[file] or lines_of(file)
  local entry = file .. ": " .. sources[file][number]
  met[entry] = true
  if not list[entry] then
    missing = missing + 1
    print(("%s:%d: not reached, and no reason for it: %s"):format(file, number,
      sources[file][number]))
  end
end)
for entry in pairs(list) do
  if not met[entry] then -- which may be chance
    print("reached, though it is listed: " .. entry)
  end
end
assert(next(met), "nothing is unreached: is that the report?")
os.exit(missing == 0)
