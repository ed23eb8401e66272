"""Known traps of this field, numbered, and the tests that hold them (split to 20, swarm to 39, runtime to 48).

 1 the optimiser of old tensors       traps/test_hand_over: every_step_behind_a_hand_over_moves_the_weights
 2 a turn without its weights         traps/test_hand_over: a_turn_begins_with_the_bits_the_turn_before_ended_with
 3 Adam made anew                     traps/test_hand_over: adam_counts_the_steps_that_its_policy_gives_it
 4 a view with all of its storage     traps/test_messages: a_view_crosses_without_the_rest_of_its_storage
 5 backward(ones)                     identities/test_segments; identities/test_split: the_twin_notices_...
 6 forward in another mode            identities/test_segments; identities/test_split (BatchNorm and dropout on)
 7 one slot for what is pending       traps/test_in_flight: every_batch_in_flight_has_a_place_of_its_own
 8 a server that steps in between     traps/test_in_flight: nobody_steps_between_...; identities/test_split_on_ray
 9 a missing detach                   identities/test_split_on_ray; test_equivalence: ray_has_the_same_bits_...
10 unequal last batches               identities/test_parallel (16, 16, 5 beside 16, 5); identities/test_torch
11 clipping and rates of each half    identities/test_clipping; identities/test_shared_state (rates)
12 halves initialised apart           identities/test_segments: parts_start_as_slices_of_the_whole_...
13 cutting by children                traps/test_cuts: every_model_cut_anywhere_is_the_whole
14 half precision that underflows     of the wire, which does not change numbers yet
15 masks of the k largest             of the wire, which does not change numbers yet
16 evaluation that changes something  traps/test_looking: evaluation_leaves_the_state_and_the_ledger_as_they_were
17 hand-overs half counted            oracles/test_traffic: a_hand_over_counts_the_optimiser_state_and_the_statistics
18 labels in a message                traps/test_labels: no_label_reaches_anybody
19 rows out of line                   data/test_joined: the_order_of_rows_changes_nothing; identities/test_vertical
20 parallel in name alone             traps/test_in_flight: institutions_served_at_once_...; clock/test_split
21 rows of W that do not sum to 1     topology/test_generators: mixing_matrix_of_every_size; schedule/test_weights
22 the self term of before a step     identities/test_swarm: averaging_with_nobody_is_local_training
23 three fixed points of momentum     oracles/test_fixed_points (local); oracles/test_swarm_corrections (the others)
24 D2's sign, alias and eigenvalues   oracles/test_swarm_corrections; swarm/test_pairs (refused on four graphs)
25 lost messages, lost weight         swarm/test_faults_run: weight_that_returns_...; schedule/test_weights
26 row sums on directed graphs        oracles/test_push_sum; swarm/test_pairs (directed_random refused)
27 graphs that fall apart             topology/test_generators: sparse_erdos_renyi_says_why; topology/test_series
28 self loops forgotten               traps/test_merging: everybody_counts_itself_...; a_directed_ring_averages_...
29 seeds that are not networkx's      topology/test_generators: random_graphs_do_not_depend_on_global_state_...
30 degenerate sizes                   topology/test_generators: n = 1..100, degenerate_sizes
31 a phase of each institution's own  swarm/test_faults_run: a_graph_that_changes_goes_on_...; schedule/test_weights
32 late merges, and who is left out   swarm/test_protocol_run: the_run_folder_says_...; clock/test_agreement
33 sample counts in the rows of W     oracles/test_swarm_corrections: rows_of_w_that_count_by_examples_...
34 an average into one of its inputs  traps/test_merging: a_round_writes_into_nothing_...; merge/test_laws
35 BatchNorm's counters and buffers   swarm/test_faults_run: statistics_are_averaged_or_stay_at_home_...
36 only the average is looked at      traps/test_looking: each_institution_is_tried_on_its_own_examples and others
37 a topology that changes nothing    oracles/test_fixed_points: two_topologies_have_two_consensus_distances
38 one alone who ends all turns       swarm/test_faults_run: one_that_hears_nobody_does_not_end_...
39 Krum that sums, or squares twice   merge/test_rules; merge/test_breakdown
40 reducing in the order of arrival   identities/test_split_on_ray; guarantees/test_ray_same_bits
41 two threads, other bits            test_equivalence; traps/test_hosts
42 read-only arrays, leaves           traps/test_merging: a_round_writes_into_nothing_...; test_arrivals
43 a killed actor with several names  test_ray_failures; guarantees/test_ray_ends
44 bits that nobody checks            guarantees/test_checkpoint_damage
45 points drawn twice after a resume  guarantees/test_crash_points (event files); log/test_tensorboard
46 YAML that says something else      experiment/test_reading; guarantees/test_input_documents
47 seeds that collide, or do nothing  test_rng; schedule/test_delivery; clock/test_settings
48 one failure, everybody waits       guarantees/test_ray_ends; guarantees/test_ray_watch
"""
