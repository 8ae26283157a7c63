//===- RunTest.cpp - entry points against plain loops ----------------------===//
// Losses, gradients, updates; threads, instances side by side, and wrong calls.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "RuntimeFixture.h"

#include <cstring>
#include <limits>
#include <thread>

using namespace ftc;
using namespace ftc::test;

namespace {

class Run : public ::testing::Test {
protected:
  PackagePtr package = load(toyPackage(testKernels()).content);
  InstancePtr instance = instanceOf(package, 2);
  std::vector<float> table = toyTable();
  ToyBatch batch;
  ftc_error error;

  void SetUp() override { bindToy(instance, table); }

  ftc_result run(const char *entry, const ToyBatch &source, const ftc_run &values) {
    ftc_batch view = source.view();
    ftc_result result = {-1, -1};
    EXPECT_EQ(ftc_run_entry(instance.get(), entry, &view, &values, &result, &error), FTC_OK)
        << error.message;
    return result;
  }
  std::vector<float> read(const char *name) { return readTensor(instance, name, Toy::width); }

  static void expectNear(const std::vector<float> &actual, const std::vector<double> &expected) {
    double size = 0;
    for (double value : expected)
      size = std::max(size, std::fabs(value));
    for (size_t j = 0; j < expected.size(); ++j)
      EXPECT_NEAR(actual[j], expected[j], 1e-5 * size) << j;
  }
};

TEST_F(Run, Evaluate) {
  ASSERT_EQ(itemsOf(instance, batch.view()), 12);
  ftc_result result = run("evaluate", batch, toyRun(0, 1.0 / 12));
  Expected expected = expectedOf(batch, table, read("w"), 1.0 / 12);
  EXPECT_NEAR(result.loss, expected.loss, 1e-5 * expected.loss);
  EXPECT_EQ(result.grad_norm, 0);
}

TEST_F(Run, Gradients) {
  std::vector<float> stale(Toy::width, 1e6f);
  ASSERT_EQ(ftc_state_write(instance.get(), "w.accumulator", stale.data(), 80, &error), FTC_OK);
  ftc_result result = run("gradients", batch, toyRun(0, 0.25));
  Expected expected = expectedOf(batch, table, read("w"), 0.25);
  EXPECT_NEAR(result.loss, expected.loss, 1e-5 * expected.loss);
  expectNear(read("w.accumulator"), expected.gradient);
}

TEST_F(Run, AccumulateAndUpdate) {
  ToyBatch other(3);
  std::vector<float> w = read("w");
  Expected first = expectedOf(batch, table, w, 0.01), second = expectedOf(other, table, w, 0.01);
  run("accumulate", batch, toyRun(1, 0.01));
  expectNear(read("w.accumulator"), first.gradient);
  run("accumulate", other, toyRun(1, 0.01));
  std::vector<double> total(Toy::width);
  double squares = 0;
  for (size_t j = 0; j < Toy::width; ++j) {
    total[j] = first.gradient[j] + second.gradient[j];
    squares += total[j] * total[j];
  }
  expectNear(read("w.accumulator"), total);

  ftc_run values = toyRun(3, 0);
  values.max_grad_norm = 0.5 * std::sqrt(squares);
  ftc_result result;
  ASSERT_EQ(ftc_run_entry(instance.get(), "update", nullptr, &values, &result, &error), FTC_OK)
      << error.message;
  EXPECT_NEAR(result.grad_norm, std::sqrt(squares), 1e-5 * std::sqrt(squares));
  std::vector<double> moved(Toy::width);
  for (size_t j = 0; j < Toy::width; ++j)
    moved[j] = double(w[j]) - 0.05 * 0.5 * total[j];
  expectNear(read("w"), moved);
  EXPECT_EQ(read("w.accumulator"), std::vector<float>(Toy::width, 0.0f));
  // The bias correction of step 3.
  EXPECT_EQ(read("w.moment1")[0], float(1 - 0.9 * 0.9 * 0.9));
}

TEST_F(Run, TrainStepIsAccumulateAndUpdate) {
  InstancePtr apart = instanceOf(package, 1);
  bindToy(apart, table);
  ftc_batch view = batch.view();
  for (int64_t step = 1; step <= 3; ++step) {
    ftc_run values = toyRun(step, 1.0 / 12);
    ftc_result whole = run("train_step", batch, values), loss, norm;
    ASSERT_EQ(ftc_run_entry(apart.get(), "accumulate", &view, &values, &loss, &error), FTC_OK);
    ASSERT_EQ(ftc_run_entry(apart.get(), "update", nullptr, &values, &norm, &error), FTC_OK);
    EXPECT_EQ(whole.loss, loss.loss);
    EXPECT_EQ(whole.grad_norm, norm.grad_norm);
    EXPECT_EQ(read("w"), readTensor(apart, "w", Toy::width));
  }
}

// What a launch with `rows` leaves out keeps what the run before has written.
TEST_F(Run, RowsThatPredictNothingAreLeftOut) {
  auto variant = [&](unsigned entry, unsigned launch) {
    PackageMaker maker = toyPackage(testKernels());
    maker.content.entries[entry]->launches[launch]->rows = 0;
    package = load(maker.content);
    instance = instanceOf(package, 2);
    bindToy(instance, table);
  };
  constexpr unsigned evaluate = 3, gradients = 4, product = 1, residual = 2, gradient = 4;
  ToyBatch few = batch;
  for (size_t t = 0; t < few.labels.size(); ++t)
    few.labels[t] = t == 5 || t == 6 ? few.labels[t] : -100;
  ToyBatch none = batch;
  none.labels.assign(none.labels.size(), -100);

  // The losses of the tokens.
  variant(evaluate, residual);
  ASSERT_EQ(itemsOf(instance, few.view()), 2);
  double loss = run("evaluate", batch, toyRun(0, 1)).loss;
  EXPECT_GT(loss, 0);
  EXPECT_EQ(run("evaluate", few, toyRun(0, 1)).loss, loss);
  EXPECT_EQ(run("evaluate", none, toyRun(0, 1)).loss, loss);

  // A product's rows of C: the first two are new, tokens 4 and 5 read those of the old w.
  variant(evaluate, product);
  double old = expectedOf(few, table, read("w"), 1).loss;
  run("evaluate", batch, toyRun(0, 1));
  std::vector<float> other(Toy::width, 0.25f);
  ASSERT_EQ(ftc_state_write(instance.get(), "w", other.data(), 80, &error), FTC_OK);
  EXPECT_NEAR(run("evaluate", few, toyRun(0, 1)).loss, old, 1e-5 * old);
  EXPECT_EQ(run("evaluate", none, toyRun(0, 1)).loss, 0);
  double all = expectedOf(batch, table, other, 1).loss;
  EXPECT_GT(std::fabs(run("evaluate", batch, toyRun(0, 1)).loss - all), 1e-2 * all);

  // The contraction of a product: the first twelve tokens, whichever predict.
  variant(gradients, gradient);
  run("gradients", batch, toyRun(0, 1));
  ToyBatch front = batch;
  for (size_t t = 13; t < front.labels.size(); ++t)
    front.labels[t] = -100;
  ASSERT_EQ(itemsOf(instance, batch.view()), 12);
  expectNear(read("w.accumulator"), expectedOf(front, table, read("w"), 1).gradient);
  // The first of the list is there always, so that C is written.
  run("gradients", none, toyRun(0, 1));
  EXPECT_EQ(read("w.accumulator"), std::vector<float>(Toy::width, 0.0f));
}

TEST_F(Run, TrainingLowersTheLoss) {
  ftc_run values = toyRun(1, 1.0 / 12);
  double before = run("evaluate", batch, values).loss;
  for (values.step = 1; values.step <= 50; ++values.step)
    run("train_step", batch, values);
  EXPECT_LT(run("evaluate", batch, values).loss, 0.9 * before);
}

TEST_F(Run, WithoutClipping) {
  std::vector<float> w = read("w");
  Expected expected = expectedOf(batch, table, w, 1.0);
  for (double off : {0.0, -1.0, double(std::numeric_limits<float>::infinity())}) {
    ASSERT_EQ(ftc_state_write(instance.get(), "w", w.data(), 80, &error), FTC_OK);
    ftc_run values = toyRun(1, 1.0);
    values.max_grad_norm = off;
    run("train_step", batch, values);
    std::vector<double> moved(Toy::width);
    for (size_t j = 0; j < Toy::width; ++j)
      moved[j] = double(w[j]) - 0.05 * expected.gradient[j];
    expectNear(read("w"), moved);
  }
}

TEST_F(Run, TheSameBitsFromAnyNumberOfThreads) {
  auto train = [&](int threads) {
    InstancePtr one = instanceOf(package, threads);
    bindToy(one, table);
    ftc_batch view = batch.view();
    for (int64_t step = 1; step <= 5; ++step) {
      ftc_run values = toyRun(step, 1.0 / 12);
      EXPECT_EQ(ftc_run_entry(one.get(), "train_step", &view, &values, nullptr, &error), FTC_OK);
    }
    return readTensor(one, "w", Toy::width);
  };
  std::vector<float> w = train(1);
  for (int threads : {2, 3, 7})
    EXPECT_EQ(train(threads), w) << threads;
}

TEST_F(Run, TwoInstancesAtOnce) {
  auto train = [&](std::vector<float> &w, unsigned salt) {
    InstancePtr own = instanceOf(package, 2);
    bindToy(own, table);
    ToyBatch source(salt);
    ftc_batch view = source.view();
    ftc_error failure;
    for (int64_t step = 1; step <= 100; ++step) {
      ftc_run values = toyRun(step, 1.0 / 12);
      if (ftc_run_entry(own.get(), "train_step", &view, &values, nullptr, &failure) != FTC_OK)
        return;
    }
    w = readTensor(own, "w", Toy::width);
  };
  std::vector<float> alone[2], together[2];
  train(alone[0], 0);
  train(alone[1], 5);
  std::thread first([&] { train(together[0], 0); }), second([&] { train(together[1], 5); });
  first.join();
  second.join();
  EXPECT_FALSE(together[0].empty());
  EXPECT_EQ(together[0], alone[0]);
  EXPECT_EQ(together[1], alone[1]);
}

TEST_F(Run, PaddedIsPacked) {
  ftc_run values = toyRun(1, 1.0 / 12);
  double packed = run("evaluate", batch, values).loss;
  std::vector<int32_t> ids(24, 99), labels(24, 99), mask(24, 0);
  // The first row padded at its end, the second at its beginning.
  for (size_t i = 0; i < 17; ++i) {
    size_t at = i < 9 ? i : i - 9 + 16;
    ids[at] = batch.ids[i];
    labels[at] = batch.labels[i];
    mask[at] = 1;
  }
  ftc_batch rows = {};
  rows.struct_size = sizeof rows;
  rows.rank = 2;
  rows.rows = 2;
  rows.length = 12;
  rows.input_ids = ids.data();
  rows.labels = labels.data();
  rows.attention_mask = mask.data();
  ftc_result result;
  ASSERT_EQ(ftc_run_entry(instance.get(), "evaluate", &rows, &values, &result, &error), FTC_OK)
      << error.message;
  EXPECT_EQ(result.loss, packed);
  EXPECT_EQ(itemsOf(instance, rows), 12);
}

TEST_F(Run, NonFiniteLossIsAResult) {
  std::vector<float> w(Toy::width, std::numeric_limits<float>::quiet_NaN());
  ASSERT_EQ(ftc_state_write(instance.get(), "w", w.data(), 80, &error), FTC_OK);
  EXPECT_TRUE(std::isnan(run("evaluate", batch, toyRun(1, 1)).loss));
}

TEST_F(Run, WrongCalls) {
  ftc_batch view = batch.view();
  ftc_run good = toyRun(1, 1), values;
  auto refused = [&](const char *entry, const ftc_batch *source, ftc_code code, const char *part) {
    EXPECT_EQ(ftc_run_entry(instance.get(), entry, source, &values, nullptr, &error), code);
    EXPECT_NE(std::string(error.message).find(part), std::string::npos) << error.message;
  };
  values = good;
  refused("trainstep", &view, FTC_INVALID_ARGUMENT, "did you mean 'train_step'?");
  refused("train_step", nullptr, FTC_INVALID_ARGUMENT, "batch: is null");
  refused("update", &view, FTC_INVALID_ARGUMENT, "'update' takes none");
  values.struct_size = 4;
  refused("evaluate", &view, FTC_INVALID_ARGUMENT, "struct_size is 4");
  values = good;
  values.inv_items = -1;
  refused("evaluate", &view, FTC_INVALID_ARGUMENT, "inv_items");
  values.inv_items = std::numeric_limits<double>::quiet_NaN();
  refused("accumulate", &view, FTC_INVALID_ARGUMENT, "inv_items");
  values = good;
  values.step = 0;
  refused("update", nullptr, FTC_INVALID_ARGUMENT, "step is 0");
  values = good;
  values.beta1 = 1;
  refused("train_step", &view, FTC_INVALID_ARGUMENT, "beta1");
  values = good;
  values.beta2 = -0.1;
  refused("train_step", &view, FTC_INVALID_ARGUMENT, "beta2");
  values = good;
  values.epsilon = -1;
  refused("train_step", &view, FTC_INVALID_ARGUMENT, "epsilon");
  values = good;
  values.learning_rate = std::numeric_limits<double>::infinity();
  refused("train_step", &view, FTC_INVALID_ARGUMENT, "learning_rate");
  values = good;
  values.max_grad_norm = std::numeric_limits<double>::quiet_NaN();
  refused("train_step", &view, FTC_INVALID_ARGUMENT, "max_grad_norm");
  values = good;
  batch.ids[3] = 11;
  view = batch.view();
  refused("train_step", &view, FTC_INVALID_ARGUMENT, "input_ids[3] is 11");
  int64_t items = 0;
  EXPECT_EQ(ftc_batch_items(instance.get(), &view, &items, &error), FTC_INVALID_ARGUMENT);
}

TEST_F(Run, NothingRunsBeforeEverythingIsThere) {
  InstancePtr fresh = instanceOf(package, 1);
  ftc_batch view = batch.view();
  ftc_run values = toyRun(1, 1);
  auto expectNotBound = [&](const char *part) {
    EXPECT_EQ(ftc_run_entry(fresh.get(), "evaluate", &view, &values, nullptr, &error),
              FTC_NOT_BOUND);
    EXPECT_NE(std::string(error.message).find(part), std::string::npos) << error.message;
  };
  expectNotBound("instance: the base tensor 'table' has no values yet, nor have 4 more; bind");
  ASSERT_EQ(ftc_init_state(fresh.get(), 1, &error), FTC_OK);
  expectNotBound("instance: the base tensor 'table' has no values yet; bind");
  const int64_t shape[] = {Toy::vocab, Toy::width};
  ASSERT_EQ(ftc_bind_tensor(fresh.get(), "table", FTC_F32, 2, shape, table.data(), &error), FTC_OK);
  EXPECT_EQ(ftc_run_entry(fresh.get(), "evaluate", &view, &values, nullptr, &error), FTC_OK);
}

/// A package whose one entry point counts in an i32 buffer of the state region's table, by way of
/// scratch, and does small products through the service.
TEST(Kernels, GridScratchAndServices) {
  PackageMaker maker(1, 4, 1, 2);
  constexpr int64_t items = 1000;
  maker.tensor("a", Role::trainable, package::DType::f32, {16, 8, 8}, InitKind::kaiming_uniform);
  maker.tensor("b", Role::trainable, package::DType::f32, {16, 8, 8}, InitKind::kaiming_uniform);
  maker.tensor("c", Role::trainable, package::DType::f32, {16, 8, 8}, InitKind::zeros);
  maker.tensor("counted", Role::trainable, package::DType::f32, {items}, InitKind::zeros);
  auto read = PackageMaker::argument(Access::read, package::DType::f32);
  auto write = PackageMaker::argument(Access::write, package::DType::f32);
  auto both = PackageMaker::argument(Access::readwrite, package::DType::f32);
  uint32_t count = maker.kernel("count", {both}, 7, 4096);
  uint32_t products = maker.kernel("small_products", {read, read, write});
  package::EntryT &entry = maker.entry("work");
  maker.launch(entry, count, items, {maker.place("counted")});
  maker.launch(entry, products, 16, {maker.place("a"), maker.place("b"), maker.place("c")});
  maker.content.code = testKernels();
  maker.sumUp();
  PackagePtr package = load(maker.content);
  for (int threads : {1, 2, 5}) {
    InstancePtr instance = instanceOf(package, threads);
    ftc_error error;
    ftc_run values = toyRun(1, 1);
    ASSERT_EQ(ftc_init_state(instance.get(), 9, &error), FTC_OK);
    ASSERT_EQ(ftc_run_entry(instance.get(), "work", nullptr, &values, nullptr, &error), FTC_OK)
        << error.message;
    std::vector<int32_t> counted(items);
    ASSERT_EQ(ftc_state_read(instance.get(), "counted", counted.data(), items * 4, &error), FTC_OK);
    for (int32_t i = 0; i < items; ++i)
      ASSERT_EQ(counted[size_t(i)], i);
    std::vector<float> a = readTensor(instance, "a", 1024), b = readTensor(instance, "b", 1024);
    std::vector<float> c = readTensor(instance, "c", 1024);
    for (size_t p = 0; p < 16; ++p)
      for (size_t i = 0; i < 8; ++i)
        for (size_t j = 0; j < 8; ++j) {
          double sum = 0;
          for (size_t k = 0; k < 8; ++k)
            sum += double(a[p * 64 + i * 8 + k]) * double(b[p * 64 + j * 8 + k]);
          ASSERT_NEAR(c[p * 64 + i * 8 + j], 2 * sum, 1e-5);
        }
  }
}

} // namespace
