-- Consistent hashing, which Debian does not package: every node has 160 points on a ring for each unit of its weight,
-- and a key belongs to the first point at or after its own.
local crc32 = ngx.crc32_long

local POINTS = 160

local Ring = {}
Ring.__index = Ring

function Ring.new(_, weights)
  local ring = setmetatable({}, Ring)
  ring:reinit(weights)
  return ring
end

function Ring:reinit(weights)
  local points = {}
  self.nodes = {}
  for node, weight in pairs(weights) do
    self.nodes[node] = weight
    for number = 1, POINTS * weight do
      points[#points + 1] = { at = crc32(node .. "/" .. number), node = node }
    end
  end
  -- Every worker has to come to the same order, so two points at one place are ordered by name.
  table.sort(points, function(one, other)
    return one.at < other.at or (one.at == other.at and one.node < other.node)
  end)
  self.points = points
end

function Ring:find(key)
  local points = self.points
  if #points == 0 then
    return nil
  end
  local place = crc32(tostring(key))
  local first, last = 1, #points
  if points[last].at < place then
    return points[1].node, 1
  end
  while first < last do
    local middle = math.floor((first + last) / 2)
    if points[middle].at < place then
      first = middle + 1
    else
      last = middle
    end
  end
  return points[first].node, first
end

return Ring
