#ifndef VARVE_DB_MANIFEST_TREE_H_
#define VARVE_DB_MANIFEST_TREE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "db/manifest_format.h"
#include "db/manifest_page.h"

// The manifest's tree of pages in memory: a B+ tree of cells by segment number, which never
// changes. Applying edits gives another tree that shares every node without a change with the old
// one; so a commit that fails leaves nothing behind, and costs a path for each leaf it touches.
//
//   1. Edits go down to the leaves they fall into; each such leaf is made anew, in as many pages as
//      it now takes. Numbers that grow fill pages to the brim; others split evenly.
//   2. Of the new siblings, one that is less than a quarter full is joined with the smaller of its
//      neighbours (and split evenly if that is too much for one page).
//   3. Likewise for inner nodes. The top grows a level when the root has no room for its links, and
//      loses one when a single inner node is left with half as many.
//   4. Only then do new nodes get pages: SealTree() numbers, encodes and links them, children
//      first.
//
// Nodes keep their content as it is on disk: a leaf its cells' bytes, some 4 KiB for forty
// segments.
//
// Thread safety: a tree may be read by many threads. Nodes made by ApplyEdits belong to the caller
// alone until they are sealed.

namespace varve::manifest {

struct TreeNode {
  uint8_t level = 0;
  FileNumber first = 0;  // the lowest number in or below it
  PageLink link;         // page 0: not sealed yet
  // Leaf.
  FileNumber last = 0;  // its highest number
  uint16_t cells_count = 0;
  std::string cells;
  // Inner.
  std::vector<std::shared_ptr<TreeNode>> children;
  // Filled in order by growing numbers, so it may stay small.
  bool appended = false;
};
using TreeNodePtr = std::shared_ptr<TreeNode>;

struct Tree {
  std::vector<TreeNodePtr> top;  // what the root links to, ascending
  uint8_t height() const { return top.empty() ? 0 : top.front()->level + 1; }
};

// The cell of a number that is added, replaced or (kRemoved) removed. A cell's `whole` is all that
// is stored of it.
using Edits = std::span<const Cell>;  // ascending numbers

// Sets *cell, which points into the tree, to the cell of `number`; false if there is none.
bool FindCell(const Tree& tree, FileNumber number, Cell* cell);

// Appends all cells, which point into the tree.
void CollectCells(const Tree& tree, std::vector<Cell>* cells);

// Applies `edits` to a run of cells: both ascend. Removed ones go, or stay as they are if
// `keep_removed`.
std::vector<Cell> MergeCells(Slice cells, Edits edits, bool keep_removed);

// The tree after `edits`. Pages that it no longer uses are appended to *replaced (spill pages are
// not the tree's business).
Tree ApplyEdits(const Tree& tree, Edits edits, std::vector<uint32_t>* replaced);

struct PageImage {
  uint32_t page;
  std::string bytes;
};
// Gives each new node a page number and appends its image to *images.
template <typename AllocatePage>
void SealTree(const Tree& tree, uint64_t generation, AllocatePage&& allocate,
              std::vector<PageImage>* images);

// Makes the root link to the (sealed) tree.
void SetLinks(const Tree& tree, Root* root);

// The image of one node, whose children are sealed; sets its link.
std::string SealNode(TreeNode* node, uint32_t page, uint64_t generation);

template <typename AllocatePage>
void SealNodes(const std::vector<TreeNodePtr>& nodes, uint64_t generation, AllocatePage& allocate,
               std::vector<PageImage>* images) {
  for (const TreeNodePtr& node : nodes) {
    if (node->link.page != 0) continue;  // nor is anything below it new
    SealNodes(node->children, generation, allocate, images);
    const uint32_t page = allocate();
    images->push_back({page, SealNode(node.get(), page, generation)});
  }
}

template <typename AllocatePage>
void SealTree(const Tree& tree, uint64_t generation, AllocatePage&& allocate,
              std::vector<PageImage>* images) {
  SealNodes(tree.top, generation, allocate, images);
}

}  // namespace varve::manifest

#endif  // VARVE_DB_MANIFEST_TREE_H_
