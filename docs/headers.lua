--- Reads the headers of a libevent.
-- @module docs.headers

local headers = {}

--- Returns the lines that a command writes.
function headers.output(command)
  local lines = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  return lines
end

--- The text of a header without comments and without the preprocessor's lines,
-- whose macros go into a set.
local function read(path, macros)
  local file <close> = assert(io.open(path))
  local text = file:read "a":gsub("/%*.-%*/", " "):gsub("//[^\n]*", "")
    :gsub("\\\n", " ")
  return (("\n" .. text):gsub("\n[ \t]*#([^\n]*)", function(line)
    macros[line:match "^%s*define%s+([%w_]+)" or ""] = true
  end):gsub("\n[ \t]*#[^\n]*", ""))
end

--- Returns the functions that libevent exports, each as a table with `name` and
-- `header`, in the order of the headers; the list is a map by name, too. Then
-- the set of the macros.
function headers.read(folder)
  local functions, macros = {}, {}
  local names = headers.output(("cd '%s' && ls *.h"):format(folder))
  for _, header in ipairs(names) do
    local text = read(folder .. "/" .. header, macros)
    for name in text:gmatch "EVENT2_EXPORT_SYMBOL%s[^(]-([%w_]+)%s*%(" do
      if not functions[name] then
        functions[name] = { name = name, header = header }
        table.insert(functions, functions[name])
      end
    end
  end
  return functions, macros
end

return headers
