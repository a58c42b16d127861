#include "db/manifest_tree.h"

#include <algorithm>
#include <cassert>

namespace varve::manifest {
namespace {

using Nodes = std::vector<TreeNodePtr>;

// A node below a quarter is joined with a neighbour.
constexpr size_t kLeafBytesMin = kPayloadBytesMax / 4;
constexpr size_t kInnerChildrenMin = kInnerChildrenMax / 4;
// The top is grouped into inner nodes above kRootLinksMax, and comes back only well below, so that
// a database at the border does not go to and fro.
constexpr size_t kTopChildrenToCollapse = kRootLinksMax / 2;

TreeNodePtr NewLeaf(std::span<const Cell> cells, bool appended) {
  auto node = std::make_shared<TreeNode>();
  node->first = cells.front().number;
  node->last = cells.back().number;
  node->cells_count = static_cast<uint16_t>(cells.size());
  for (const Cell& cell : cells) node->cells.append(cell.whole);
  node->appended = appended;
  return node;
}

TreeNodePtr NewInner(uint8_t level, std::span<const TreeNodePtr> children, bool appended) {
  auto node = std::make_shared<TreeNode>();
  node->level = level;
  node->first = children.front()->first;
  node->children.assign(children.begin(), children.end());
  node->appended = appended;
  return node;
}

// Cuts cells into leaves: to the brim if they were appended to, else into parts of one size.
void MakeLeaves(std::span<const Cell> cells, bool append, Nodes* out) {
  size_t total = 0;
  for (const Cell& cell : cells) total += cell.whole.size();
  const size_t parts = (total + kPayloadBytesMax - 1) / kPayloadBytesMax;
  const size_t target = append || parts == 0 ? kPayloadBytesMax : (total + parts - 1) / parts;
  size_t begin = 0, bytes = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    const size_t size = cells[i].whole.size();
    if (bytes + size > kPayloadBytesMax || (bytes >= target && i > begin)) {
      out->push_back(NewLeaf(cells.subspan(begin, i - begin), append));
      begin = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (begin < cells.size()) out->push_back(NewLeaf(cells.subspan(begin), append));
}

void MakeInners(uint8_t level, std::span<const TreeNodePtr> children, bool append, Nodes* out) {
  const size_t parts = (children.size() + kInnerChildrenMax - 1) / kInnerChildrenMax;
  if (parts == 0) return;
  const size_t target = append ? kInnerChildrenMax : (children.size() + parts - 1) / parts;
  for (size_t i = 0; i < children.size(); i += target) {
    out->push_back(
        NewInner(level, children.subspan(i, std::min(target, children.size() - i)), append));
  }
}

bool Underfull(const TreeNode& node) {
  if (node.link.page != 0 || node.appended) return false;
  return node.level == 0 ? node.cells.size() < kLeafBytesMin
                         : node.children.size() < kInnerChildrenMin;
}

size_t Fill(const TreeNode& node) {
  return node.level == 0 ? node.cells.size() : node.children.size();
}

void Replaced(const TreeNode& node, std::vector<uint32_t>* replaced) {
  if (node.link.page != 0) replaced->push_back(node.link.page);
}

// Joins new siblings that are small with a neighbour.
void JoinSmall(Nodes* nodes, std::vector<uint32_t>* replaced) {
  for (size_t i = 0; i < nodes->size() && nodes->size() > 1;) {
    if (!Underfull(*(*nodes)[i])) {
      ++i;
      continue;
    }
    size_t left = i == 0 ? 0 : i - 1;
    if (i > 0 && i + 1 < nodes->size() && Fill(*(*nodes)[i + 1]) < Fill(*(*nodes)[i - 1])) left = i;
    const TreeNodePtr a = (*nodes)[left], b = (*nodes)[left + 1];
    Replaced(*a, replaced);
    Replaced(*b, replaced);
    Nodes joined;
    if (a->level == 0) {
      std::vector<Cell> cells = MergeCells(a->cells, {}, /*keep_removed=*/false);
      for (const Cell& cell : MergeCells(b->cells, {}, false)) cells.push_back(cell);
      MakeLeaves(cells, /*append=*/false, &joined);
    } else {
      Nodes children = a->children;
      children.insert(children.end(), b->children.begin(), b->children.end());
      MakeInners(a->level, children, /*append=*/false, &joined);
    }
    nodes->erase(nodes->begin() + left, nodes->begin() + left + 2);
    nodes->insert(nodes->begin() + left, joined.begin(), joined.end());
    // Of two, each holds at least half of more than a page: neither is small again.
    i = left + (joined.size() > 1 ? joined.size() : 0);
  }
}

// The siblings `nodes` after `edits`; `last` tells that nothing in the tree comes after them.
Nodes Apply(const Nodes& nodes, Edits edits, bool last, std::vector<uint32_t>* replaced) {
  Nodes out;
  size_t next = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const TreeNode& node = *nodes[i];
    const size_t begin = next;
    while (next < edits.size() &&
           (i + 1 == nodes.size() || edits[next].number < nodes[i + 1]->first)) {
      ++next;
    }
    const Edits here = edits.subspan(begin, next - begin);
    if (here.empty()) {
      out.push_back(nodes[i]);
      continue;
    }
    Replaced(node, replaced);
    const bool last_here = last && i + 1 == nodes.size();
    if (node.level == 0) {
      const bool append = last_here && here.back().number > node.last;
      MakeLeaves(MergeCells(node.cells, here, /*keep_removed=*/false), append, &out);
    } else {
      const Nodes children = Apply(node.children, here, last_here, replaced);
      const bool append = last_here && children.size() > node.children.size();
      MakeInners(node.level, children, append, &out);
    }
  }
  JoinSmall(&out, replaced);
  return out;
}

void Collect(const Nodes& nodes, std::vector<Cell>* cells) {
  for (const TreeNodePtr& node : nodes) {
    Collect(node->children, cells);
    Slice rest = node->cells;
    Cell cell;
    while (!rest.empty() && GetCell(&rest, &cell)) cells->push_back(cell);
  }
}

}  // namespace

bool FindCell(const Tree& tree, FileNumber number, Cell* cell) {
  const Nodes* nodes = &tree.top;
  while (!nodes->empty()) {
    auto after = std::upper_bound(nodes->begin(), nodes->end(), number,
                                  [](FileNumber n, const TreeNodePtr& p) { return n < p->first; });
    if (after == nodes->begin()) return false;
    const TreeNode& node = **(after - 1);
    if (node.level > 0) {
      nodes = &node.children;
      continue;
    }
    Slice cells = node.cells;
    while (!cells.empty() && GetCell(&cells, cell) && cell->number <= number) {
      if (cell->number == number) return true;
    }
    return false;
  }
  return false;
}

std::vector<Cell> MergeCells(Slice cells, Edits edits, bool keep_removed) {
  std::vector<Cell> out;
  Cell cell;
  bool have = !cells.empty() && GetCell(&cells, &cell);
  const auto take = [&](const Cell& taken) {
    if (keep_removed || taken.kind != CellKind::kRemoved) out.push_back(taken);
  };
  for (const Cell& edit : edits) {
    for (; have && cell.number <= edit.number; have = !cells.empty() && GetCell(&cells, &cell)) {
      if (cell.number < edit.number) take(cell);
    }
    take(edit);
  }
  for (; have; have = !cells.empty() && GetCell(&cells, &cell)) take(cell);
  return out;
}

Tree ApplyEdits(const Tree& tree, Edits edits, std::vector<uint32_t>* replaced) {
  Tree out;
  if (tree.top.empty()) {
    MakeLeaves(MergeCells({}, edits, /*keep_removed=*/false), /*append=*/true, &out.top);
  } else {
    out.top = Apply(tree.top, edits, /*last=*/true, replaced);
  }
  while (out.top.size() > kRootLinksMax) {
    Nodes grouped;
    MakeInners(static_cast<uint8_t>(out.top.front()->level + 1), out.top, /*append=*/true,
               &grouped);
    out.top = std::move(grouped);
  }
  while (out.top.size() == 1 && out.top.front()->level > 0 &&
         out.top.front()->children.size() <= kTopChildrenToCollapse) {
    const TreeNodePtr only = out.top.front();
    Replaced(*only, replaced);
    out.top = only->children;
  }
  return out;
}

void CollectCells(const Tree& tree, std::vector<Cell>* cells) { Collect(tree.top, cells); }

void SetLinks(const Tree& tree, Root* root) {
  root->height = tree.height();
  root->links.clear();
  for (const TreeNodePtr& node : tree.top) root->links.push_back({node->first, node->link});
}

std::string SealNode(TreeNode* node, uint32_t page, uint64_t generation) {
  PageHeader header;
  header.page = page;
  header.level = node->level;
  header.generation = generation;
  std::string links;
  if (node->level == 0) {
    header.type = PageType::kLeaf;
    header.items = node->cells_count;
  } else {
    header.type = PageType::kInner;
    header.items = static_cast<uint16_t>(node->children.size());
    for (const TreeNodePtr& child : node->children) {
      assert(child->link.page != 0);
      PutChildLink(&links, {child->first, child->link});
    }
  }
  node->link.page = page;
  node->link.generation = generation;
  return EncodePage(header, node->level == 0 ? Slice(node->cells) : Slice(links),
                    &node->link.checksum);
}

}  // namespace varve::manifest
