
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_TREE_H_INCLUDED_
#define _NGX_K8S_TREE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* below 0: the first one stands before the second one, which has its key */
typedef ngx_int_t (*ngx_k8s_tree_cmp_pt)(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);


/* an insert of ngx_rbtree_init(): by key, then by cmp(), then behind all */

static ngx_inline void
ngx_k8s_tree_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel, ngx_k8s_tree_cmp_pt cmp)
{
    ngx_rbtree_node_t  **p;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            p = (cmp(node, temp) < 0) ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


/* the one before a node; NULL: it is the first */

static ngx_inline ngx_rbtree_node_t *
ngx_k8s_tree_prev(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_rbtree_node_t  *parent, *sentinel;

    sentinel = tree->sentinel;

    if (node->left != sentinel) {
        for (node = node->left; node->right != sentinel; node = node->right) {
            /* void */
        }

        return node;
    }

    while (node != tree->root) {
        parent = node->parent;

        if (node == parent->right) {
            return parent;
        }

        node = parent;
    }

    return NULL;
}


/* the node that has the key of "node" and no difference; NULL: none has */

static ngx_inline ngx_rbtree_node_t *
ngx_k8s_tree_find(ngx_rbtree_t *tree, ngx_rbtree_node_t *node,
    ngx_k8s_tree_cmp_pt cmp)
{
    ngx_int_t           rc;
    ngx_rbtree_node_t  *n;

    n = tree->root;

    while (n != tree->sentinel) {

        if (node->key != n->key) {
            n = (node->key < n->key) ? n->left : n->right;
            continue;
        }

        rc = cmp(node, n);

        if (rc == 0) {
            return n;
        }

        n = (rc < 0) ? n->left : n->right;
    }

    return NULL;
}


#endif /* _NGX_K8S_TREE_H_INCLUDED_ */
